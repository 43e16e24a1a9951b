"""A run, as a script runs it: fields, the same decisions for the same seed, the report, errors."""
import csv
import hashlib
import os
import pathlib
import subprocess
import tempfile

import twin_case

SITE = pathlib.Path(__file__).resolve().parents[2] / "examples/32-nodes.toml"

NAMED = {"allocation_pct", "fragmentation_pct", "wait_mean_s", "wait_p50_s", "wait_p95_s", "wait_p99_s", "jct_mean_s",
         "makespan_s", "utilisation_pct", "fairness_jain", "energy_mwh", "peak_power_mw", "co2e_t", "cost_eur",
         "revenue_eur", "preemptions", "lost_accelerator_hours", "power_used_pct", "budget_exceeded"}


class Run(twin_case.Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_object_has_every_field_that_scripts_use(self):
        result = self.json("run", SITE, "--days", 2)
        for field in ("metrics", "wall_s", "rss_mb", "jobs", "accelerators", "budget_exceeded"):
            self.assertIn(field, result)
        self.assertEqual(NAMED - result["metrics"].keys(), set())
        self.assertEqual(result["accelerators"], 256)
        self.assertEqual(result["budget_exceeded"], 0)
        self.assertGreater(result["jobs_done"], 100)
        self.assertGreater(result["wall_s"], 0)
        energy = sum(site["energy_kwh"] for site in result["sites"].values())
        parts = sum(site[part] for site in result["sites"].values() for part in ("work_kwh", "idle_kwh", "overhead_kwh"))
        self.assertAlmostEqual(energy, parts, delta=energy * 1e-9)

    def test_days_that_are_no_number_are_refused(self):
        done = self.twin("run", SITE, "--days", "nan", code=2)
        self.assertIn("'nan' is no number from 1e-06 to 36525", done.stderr)

    def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(self):
        written = []
        for index, seed in enumerate((7, 7, 8)):
            path = self.folder / f"decisions-{index}.tsv"
            result = self.json("run", SITE, "--days", 3, "--seed", seed, "--decisions", path)
            data = path.read_bytes()
            self.assertEqual(result["decisions_sha256"], hashlib.sha256(data).hexdigest())
            self.assertEqual(result["decisions"], data.count(b"\n"))
            for line in data.decode().splitlines():
                self.assertEqual(len(line.split("\t")), 4, line)
            written.append(data)
        self.assertEqual(written[0], written[1])
        self.assertNotEqual(written[0], written[2])

    def test_report_and_tables_are_written(self):
        report = self.folder / "report.html"
        done = self.twin("run", SITE, "--days", 1, "--report", report, "--tables", self.folder / "tables")
        self.assertIn("SHA-256", done.stdout)
        self.assertIn("<svg", report.read_text())
        self.assertTrue((self.folder / "tables" / "metrics.csv").exists())

    def test_a_pipe_gets_the_report_and_stays(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
            self.json("run", SITE, "--days", 0.1, "--report", pipe)
            self.assertIn("<svg", reader.communicate(timeout=60)[0])
        self.assertTrue(pipe.is_fifo())

    def test_tokens_of_a_trace_have_a_cost_and_a_price(self):
        site = self.folder / "site.toml"
        site.write_text(SITE.read_text().replace("[economics]", "[economics]\ninput_eur_per_mtok = 1000\n"
                                                 "output_eur_per_mtok = 5000", 1))
        trace = twin_case.DATA / "traces" / "azure_llm_conv.csv"
        requests = list(csv.DictReader(trace.read_text().splitlines()))
        read = sum(int(row["ContextTokens"]) for row in requests)
        written = sum(int(row["GeneratedTokens"]) for row in requests)
        metrics = self.json("run", site, "--workload", trace, "--format", "azure-llm")["metrics"]
        self.assertAlmostEqual(metrics["input_tokens"], read, delta=1)
        self.assertAlmostEqual(metrics["output_tokens"], written, delta=1)
        self.assertAlmostEqual(metrics["revenue_tokens_eur"], read * 1e-3 + written * 5e-3, delta=0.01)
        self.assertGreater(metrics["cost_per_mtok_eur"], 0)

    def test_a_trace_plays_until_its_work_is_over(self):
        jobs = self.folder / "jobs.csv"
        self.json("generate", "workload", "--site", SITE, "--seed", 1, "--days", 0.5, "--out", jobs)
        result = self.json("run", SITE, "--workload", jobs, "--format", "millrace")
        self.assertEqual(result["jobs_waiting"] + result["jobs_running"], 0)
        self.assertEqual(result["jobs_done"] + result["jobs_unplaceable"] + result["jobs_refused"], result["jobs"])

    def test_what_is_wrong_is_told_and_fails(self):
        self.assertIn("/nonexistent/site.toml", self.twin("run", "/nonexistent/site.toml", code=3).stderr)
        self.twin("run", SITE, "--workload", "x.csv", code=2)
        done = self.twin("run", SITE, "--days", 1, "--decisions", "/nonexistent/decisions.tsv", code=3)
        self.assertIn("/nonexistent/decisions.tsv", done.stderr)


if __name__ == "__main__":
    twin_case.main()
