"""Replicas kept apart on virtual nodes, with the real engine.  spread_test.py PROGRAM"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, wait_for  # noqa: E402

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
# Room for every replica on each node: only the wish keeps two apart.
CONFIG = """
[[node]]
name = "a"
count = 2
cpus = 8
memory = "16GiB"
rack = "r0"

[[node]]
name = "b"
cpus = 8
memory = "16GiB"
rack = "r1"
"""


class Spread(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.millrace = Millrace(PROGRAM, config=CONFIG).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.millrace.__exit__()

    def work(self):
        return {(node["name"], work) for node in self.millrace.json("node", "list") for work in node["work"]}

    def endpoint(self, name):
        return self.millrace.json("endpoint", "show", name)

    def make(self, name, *options):
        """Nodes of its two replicas."""
        before = self.work()
        self.millrace.cli("endpoint", "create", name, "--model", "smollm2", "--threads", "1", "--context", "1024", "--slots", "1",
                          "--replicas", "2", *options)
        self.addCleanup(self.millrace.cli, "endpoint", "delete", name)
        wait_for(lambda: self.endpoint(name)["ready_replicas"] == 2, 60)
        nodes = sorted(node for node, _ in self.work() - before)
        self.assertEqual(len(nodes), 2)
        self.assertEqual(self.millrace.chat(model=name)[0], 200)
        return nodes

    def replicas(self, name):
        return self.millrace.request("GET", f"/api/v1/endpoints/{name}/replicas", key=self.millrace.env["MILLRACE_KEY"])[2]["data"]

    def test_without_a_wish_two_replicas_share_a_node(self):
        one, other = self.make("near")
        self.assertEqual(one, other)

    def test_two_replicas_stand_in_two_racks_and_a_third_waits_for_one(self):
        one, other = self.make("apart", "--spread", "rack")
        self.assertIn(one, ("a0", "a1"))
        self.assertEqual(other, "b")
        pids = {replica["pid"] for replica in self.replicas("apart")}
        self.assertEqual(len(pids), 2)
        self.assertTrue(all(pathlib.Path(f"/proc/{pid}").exists() for pid in pids))
        self.millrace.cli("endpoint", "update", "apart", "--replicas", "3", "--no-wait")
        wait_for(lambda: "needs a rack without another replica of it; 0 have room" in [r["reason"] for r in self.replicas("apart")], 30)
        self.assertEqual(self.endpoint("apart")["ready_replicas"], 2)


if __name__ == "__main__":
    unittest.main()
