"""Gangs, quotas, preemption, drains and power on virtual nodes with fake accelerators.  cluster_test.py PROGRAM"""
import json
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, wait_for  # noqa: E402

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
CONFIG = """
[[node]]
name = "n"
count = 4
cpus = 16
memory = "16GiB"
accelerators = 8
accel = "fake"
domain = "d"
rail = "leaf"
accelerator_idle_w = 50
accelerator_max_w = 250
idle_w = 100
max_w = 200
"""
SLEEP = {"command": ["sleep", "600"], "cpus": 0.1, "memory": "16MiB", "grace": "1s"}


class Cluster(unittest.TestCase):
    def setUp(self):
        self.millrace = Millrace(PROGRAM, "--bare", config=CONFIG).__enter__()
        self.addCleanup(self.millrace.__exit__)

    def submit(self, *options, **spec):
        return self.millrace.submit({**SLEEP, **spec}, *options)

    def states(self, jobs):
        return [self.millrace.job(job)["state"] for job in jobs]

    def counts(self, job):
        """Elements of an array by state."""
        return self.millrace.job(job)["counts"]

    def test_a_gang_of_4_x_8_starts_whole_or_not_at_all(self):
        small = self.submit(accelerators=1, time_limit="5m")
        self.millrace.wait_job(small, {"running"})
        gang = self.submit(nodes=4, accelerators=8, one_domain=True,
                           command=["sh", "-c", "echo $MILLRACE_TASK of $MILLRACE_TASKS on $MILLRACE_NODE with "
                                    "$MILLRACE_ACCELERATORS > $MILLRACE_OUTPUT/$MILLRACE_TASK; sleep 2"])
        why = wait_for(lambda: "accelerators" in (text := self.millrace.cli("job", "why", gang).stdout) and text)
        self.assertIn("32", why)
        self.assertRegex(self.millrace.cli("queue").stdout, rf"\n\d+ +{gang} .* normal +32 +0\.4 ")
        self.assertEqual([item["accelerators"] for item in self.millrace.json("queue")], [8], "of each task")
        wait_for(lambda: self.millrace.job(gang)["expected_start"], 20)
        self.millrace.cli("job", "cancel", small)
        job = self.millrace.wait_job(gang, {"succeeded"})
        self.assertEqual(sorted(job["nodes"]), ["n0", "n1", "n2", "n3"])
        self.assertGreaterEqual(job["accelerator_s"], 32 * 1.9)
        out = pathlib.Path(self.millrace.home, "work", gang, "output")
        texts = sorted(path.read_text().split() for path in out.iterdir())
        self.assertEqual([text[2] for text in texts], ["4"] * 4)
        self.assertEqual(texts[0][6], "0,1,2,3,4,5,6,7")

    def test_tasks_that_are_spread_share_no_rack_and_no_rail(self):
        apart = self.millrace.wait_job(self.submit(nodes=4, accelerators=1, spread="rack"), {"running"})
        self.assertEqual(sorted(apart["nodes"]), ["n0", "n1", "n2", "n3"])  # each without a rack is one of its own
        self.assertEqual(self.millrace.json("node", "show", "n0")["rail"], "leaf")
        never = self.submit(nodes=2, spread="rail")
        why = wait_for(lambda: "needs 2" in (text := self.millrace.cli("job", "why", never).stdout) and text)
        self.assertIn("could hold 1 even if they were empty", why)

    def test_a_fraction_of_an_accelerator_is_shared(self):
        halves = [self.submit(accelerators=0.5) for _ in range(2)]
        jobs = [self.millrace.wait_job(job, {"running"}) for job in halves]
        node = self.millrace.json("node", "show", jobs[0]["nodes"][0])
        self.assertIn(1.0, [a["used"] for a in node["accelerators"]], "two halves are on one device")

    def test_two_tenants_under_contention_converge_to_their_shares(self):
        for tenant, share in (("a", 1), ("b", 3)):
            self.millrace.cli("tenant", "create", tenant)
            self.millrace.cli("project", "create", "p" + tenant, "--tenant", tenant)
            self.millrace.cli("quota", "set", "--tenant", tenant, "--accelerators", "32", "--share", str(share))
        keys = {p: self.millrace.key(project=p)["key"] for p in ("pa", "pb")}
        body = {"command": ["sleep", "2"], "cpus": 0.1, "memory": "16MiB", "accelerators": 8, "array": "0-19"}
        jobs = {}
        for project in ("pa", "pb"):
            status, _, answer = self.millrace.request("POST", "/api/v1/jobs", body, key=keys[project])
            self.assertEqual(status, 201, answer)
            jobs[project] = answer["id"]
        wait_for(lambda: self.counts(jobs["pa"]).get("succeeded", 0) >= 4, 30)  # who came first had all of it
        held = {"pa": 0, "pb": 0}
        while self.counts(jobs["pb"]).get("queued", 0) > 0:
            for project in held:
                shown = self.counts(jobs[project])
                held[project] += shown.get("running", 0) + shown.get("starting", 0)
            time.sleep(0.1)
        self.assertGreater(held["pb"] / held["pa"], 2, held)
        self.assertLess(held["pb"] / held["pa"], 4, held)

    def test_a_quota_is_a_ceiling_where_nothing_may_be_borrowed(self):
        self.millrace.cli("tenant", "create", "a")
        self.millrace.cli("project", "create", "pa", "--tenant", "a")
        key = self.millrace.key(project="pa")["key"]
        body = {**SLEEP, "accelerators": 1}
        status, _, answer = self.millrace.request("POST", "/api/v1/jobs", body, key=key)
        self.assertEqual(status, 403, answer)  # a new tenant has nothing
        self.millrace.cli("quota", "set", "--tenant", "a", "--accelerators", "2", "--no-borrow")
        jobs = [self.millrace.request("POST", "/api/v1/jobs", body, key=key)[2]["id"] for _ in range(3)]
        wait_for(lambda: sorted(self.states(jobs)) == ["queued", "running", "running"])
        waiting = next(j for j in jobs if self.millrace.job(j)["state"] == "queued")
        self.assertIn("quota", self.millrace.cli("job", "why", waiting).stdout)
        self.millrace.cli("quota", "set", "--tenant", "a", "--accelerators", "3", "--no-borrow")
        self.millrace.wait_job(waiting, {"running"})

    def test_a_higher_class_stops_a_lower_one_which_runs_again(self):
        low = [self.submit(accelerators=8, priority_class="low") for _ in range(4)]
        wait_for(lambda: self.states(low) == ["running"] * 4)
        high = self.submit(accelerators=8, priority_class="high", command=["sleep", "1"])
        self.assertEqual(self.millrace.wait_job(high, {"succeeded"})["state"], "succeeded")
        wait_for(lambda: self.states(low) == ["running"] * 4)
        self.assertIn(2, [self.millrace.job(job)["attempts"] for job in low])

    def test_a_drained_node_is_emptied_and_takes_work_again(self):
        job = self.submit(accelerators=8)
        node = self.millrace.wait_job(job, {"running"})["nodes"][0]
        self.millrace.cli("node", "drain", node)
        moved = wait_for(lambda: (shown := self.millrace.job(job))["state"] == "running" and shown["nodes"] != [node] and shown, 90)
        self.assertEqual(moved["attempts"], 2)
        run, = moved["runs"]
        self.assertEqual((run["number"], run["nodes"], run["outcome"], run["reason"]), (1, [node], "paused", f"node {node} is being drained"))
        self.assertRegex(self.millrace.cli("job", "show", job).stdout, rf"(?m)^1 +paused +{node} .* node {node} is being drained$")
        self.millrace.cli("node", "undrain", node)
        self.assertEqual(self.millrace.json("node", "show", node)["health"], "ready")

    def test_a_grid_event_is_kept_and_over_by_itself(self):
        jobs = [self.submit(accelerators=8) for _ in range(4)]
        wait_for(lambda: self.states(jobs) == ["running"] * 4)

        def power():
            answer = self.millrace.request("GET", "/api/v1/site/power", key=self.millrace.env["MILLRACE_KEY"])[2]
            return (answer["data"] if "data" in answer else answer)[0]
        before = power()["draw_w"]
        self.millrace.cli("site", "event", "--budget", "60%", "--for", "8s", "--notice", "2s")
        time.sleep(3.5)
        during = power()
        self.assertLessEqual(during["draw_w"], during["budget_w"])
        self.assertLess(during["budget_w"], before)
        wait_for(lambda: self.states(jobs) == ["running"] * 4 and power()["draw_w"] == before, 30)


if __name__ == "__main__":
    unittest.main()
