#!/usr/bin/env python3
"""`millrace twin run`, as a script runs it: fields, the same decisions for the same seed, the report, errors.

usage: run_test.py MILLRACE
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

MILLRACE = sys.argv.pop(1)
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
SITE = str(EXAMPLES / "32-nodes.toml")

NAMED = {"allocation_pct", "fragmentation_pct", "wait_mean_s", "wait_p50_s", "wait_p95_s", "wait_p99_s", "jct_mean_s",
         "makespan_s", "utilisation_pct", "fairness_jain", "energy_mwh", "peak_power_mw", "co2e_t", "cost_eur",
         "revenue_eur", "preemptions", "lost_accelerator_hours", "power_used_pct", "budget_exceeded"}


def run(*arguments):
    return subprocess.run([MILLRACE, "twin", "run", *arguments], capture_output=True, text=True, timeout=200)


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_object_has_every_field_that_scripts_use(self):
        done = run(SITE, "--days", "2", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "", "no progress bar where there is no terminal")
        result = json.loads(done.stdout)
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

    def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(self):
        digests = []
        for index, seed in enumerate(("7", "7", "8")):
            path = self.folder / f"decisions-{index}.tsv"
            done = run(SITE, "--days", "3", "--seed", seed, "--decisions", str(path), "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            data = path.read_bytes()
            self.assertEqual(json.loads(done.stdout)["decisions_sha256"], hashlib.sha256(data).hexdigest())
            self.assertEqual(data.count(b"\n"), json.loads(done.stdout)["decisions"])
            for line in data.decode().splitlines():
                self.assertEqual(len(line.split("\t")), 4, line)
            digests.append(data)
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[0], digests[2])

    def test_report_and_tables_are_written(self):
        report = self.folder / "report.html"
        done = run(SITE, "--days", "1", "--report", str(report), "--tables", str(self.folder / "tables"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("SHA-256", done.stdout)
        self.assertIn("<svg", report.read_text())
        self.assertTrue((self.folder / "tables" / "metrics.csv").exists())

    def test_a_trace_plays_until_its_work_is_over(self):
        jobs = self.folder / "jobs.csv"
        made = subprocess.run([MILLRACE, "twin", "generate", "workload", "--site", SITE, "--seed", "1", "--days", "0.5",
                               "--out", str(jobs)], capture_output=True, text=True, timeout=200)
        self.assertEqual(made.returncode, 0, made.stderr)
        done = run(SITE, "--workload", str(jobs), "--format", "millrace", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(result["jobs_waiting"] + result["jobs_running"], 0)
        self.assertEqual(result["jobs_done"] + result["jobs_unplaceable"] + result["jobs_refused"], result["jobs"])

    def test_what_is_wrong_is_told_and_fails(self):
        self.assertEqual(run("/nonexistent/site.toml").returncode, 3)
        self.assertEqual(run(SITE, "--workload", "x.csv").returncode, 2)
        done = run(SITE, "--days", "1", "--decisions", "/nonexistent/decisions.tsv")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent/decisions.tsv", done.stderr)


if __name__ == "__main__":
    unittest.main()
