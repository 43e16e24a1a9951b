"""Generated sites and workloads are deterministic and read back; two outputs are compared."""
import csv
import json
import pathlib
import tempfile

import twin_case

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/32-nodes.toml"


class Generate(twin_case.Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def workload(self, name, *options):
        path = self.folder / name
        made = self.json("generate", "workload", "--site", EXAMPLE, "--days", 5, "--out", path, *options)
        rows = list(csv.DictReader(path.read_text().splitlines()))
        self.assertEqual(made["jobs"], len(rows))
        return path, rows

    def test_the_same_seed_gives_the_same_bytes(self):
        first, rows = self.workload("a.csv", "--seed", 7)
        again, _ = self.workload("b.csv", "--seed", 7)
        other, _ = self.workload("c.csv", "--seed", 8)
        self.assertEqual(first.read_bytes(), again.read_bytes())
        self.assertNotEqual(first.read_bytes(), other.read_bytes())
        self.assertTrue(all(float(row["arrival_s"]) < 5 * 86400 for row in rows))
        self.assertIn("physics/lattice", {row["account"] for row in rows})

    def test_load_and_number_of_jobs_can_be_given(self):
        _, light = self.workload("a.csv", "--load", 0.2)
        _, heavy = self.workload("b.csv", "--load", 2)
        self.assertGreater(len(heavy), 5 * len(light))
        _, few = self.workload("c.csv", "--jobs", 20)
        self.assertEqual(len(few), 20)

    def test_a_generated_site_gives_a_workload(self):
        site = self.folder / "site.toml"
        self.twin("generate", "site", "--nodes", 10, "--kind", "nvidia-b200-sxm", "--seed", 3, "--out", site)
        path = self.folder / "jobs.csv"
        made = self.json("generate", "workload", "--site", site, "--days", 3, "--out", path)
        self.assertGreater(made["jobs"], 10)

    def test_what_is_wrong_is_told_with_its_place(self):
        done = self.twin("generate", "site", "--kind", "abacus", "--out", self.folder / "s.toml", code=2)
        self.assertIn('--kind: accelerator kind "abacus" is not in the catalogue', done.stderr)
        self.assertIn("millrace twin accelerators", done.stderr)
        bad = self.folder / "bad.toml"
        bad.write_text(EXAMPLE.read_text().replace("per_rack", "per_rak"))
        done = self.twin("generate", "workload", "--site", bad, "--out", self.folder / "j.csv", code=2)
        self.assertRegex(done.stderr, r"bad\.toml:\d+: nodes\.per_rak: there is no such key")
        self.assertFalse((self.folder / "j.csv").exists())
        self.twin("generate", "workload", code=2)
        done = self.twin("generate", "site", "--budget-kw", -1, "--out", self.folder / "s.toml", code=2)
        self.assertIn("--budget-kw: -1 is below 0", done.stderr)
        for option, value in (("--days", 0), ("--days", "nan"), ("--days", "inf"), ("--load", "nan")):
            done = self.twin("generate", "workload", option, value, "--out", self.folder / "j.csv", code=2)
            self.assertIn(option, done.stderr)
        self.assertLess(len(done.stderr), 300)
        for seed in ("-1", "18446744073709551616", "1.5", "x"):
            done = self.twin("generate", "workload", "--seed", seed, "--out", self.folder / "j.csv", code=2)
            self.assertIn(f"'{seed}' is no whole number", done.stderr)
        self.assertFalse((self.folder / "j.csv").exists())

    def test_a_link_stays_and_what_it_names_is_written(self):
        target, link = self.folder / "target.csv", self.folder / "link.csv"
        target.write_text("old")
        link.symlink_to("target.csv")
        self.json("generate", "workload", "--days", 1, "--out", link)
        self.assertTrue(link.is_symlink())
        self.assertTrue(target.read_text().startswith("arrival_s,"))


class Compare(twin_case.Case):
    def test_two_outputs_side_by_side(self):
        with tempfile.TemporaryDirectory() as folder:
            a, b = pathlib.Path(folder, "a.json"), pathlib.Path(folder, "b.json")
            a.write_text(json.dumps({"metrics": {"wait_mean_s": 200, "energy_mwh": 10}, "jobs": 5}))
            b.write_text(json.dumps({"metrics": {"wait_mean_s": 100, "energy_mwh": 11}, "jobs": 5}))
            found = self.json("compare", a, b)
            self.assertEqual((found["better"], found["worse"]), (1, 1))
            self.assertEqual(found["figures"]["wait_mean_s"],
                             {"a": 200, "b": 100, "difference": -100, "percent": -50, "verdict": "better", "unit": "s"})
            table = self.twin("compare", a, b).stdout
            self.assertRegex(table, r"Mean wait +s +200 +100 +-100 +-50\.0 % +better")
            self.assertIn("1 figure is equal", table)
            self.assertIn("jobs", self.twin("compare", a, b, "--all").stdout)
            b.write_text(json.dumps({"hit_ratio": 0.5, "jobs": 5}))
            self.assertIn("b.json of `millrace twin routing`", self.twin("compare", a, b, code=2).stderr)
            b.write_text("{}")
            self.assertIn("no figure in common", self.twin("compare", a, b, code=2).stderr)
            b.write_text("[]")
            self.assertIn("b.json: holds no JSON object", self.twin("compare", a, b, code=2).stderr)


twin_case.main()
