"""Kueue's published scale configuration: priorities keep their meaning, and the scheduler is fast enough by far."""
import pathlib

import twin_case

EXAMPLE = pathlib.Path(__file__).resolve().parent.parent.parent / "examples/queues-baseline.toml"


class Queues(twin_case.Case):
    def test_kueues_baseline_ends_in_order_of_priority(self):
        found = self.json("queues", EXAMPLE)
        self.assertEqual(found["workloads"], 15_000)
        self.assertAlmostEqual(found["bound_s"], 66.0)
        self.assertGreaterEqual(found["makespan_s"], found["bound_s"])
        waits = found["admission_mean_s"]
        self.assertLess(waits["large"], waits["medium"])
        self.assertLess(waits["medium"], waits["small"])
        self.assertLessEqual(found["usage_pct"], 100.0)
        # No more is held than quota allows, and what ended took what it takes.
        self.assertGreaterEqual(found["usage_pct"] * found["makespan_s"] / 100, found["bound_s"] - 1e-6)
        self.assertEqual(found["starts"], found["workloads"] + found["preemptions"])
        self.assertGreater(found["decisions_per_s"], 0)

    def test_a_wrong_configuration_is_told_as_such(self):
        done = self.twin("queues", EXAMPLE.parent / "none.toml", code=3)
        self.assertIn("none.toml", done.stderr)


twin_case.main()
