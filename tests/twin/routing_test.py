"""Routing on Mooncake's conversation trace: hits and balance of the gateway's rule and of two others."""
import twin_case

TRACE = twin_case.DATA / "mooncake/conversation_blocks.jsonl"


class Routing(twin_case.Case):
    def replay(self, policy, *more):
        return self.json("routing", "--trace", TRACE, "--replicas", 8, "--cache-tokens", 3_000_000,
                         "--drain-blocks-per-s", 4, "--policy", policy, *more)

    def test_cost_rule_hits_often_and_keeps_the_balance(self):
        found = self.replay("cost")
        self.assertEqual(found["requests"], 12_031)
        self.assertGreaterEqual(found["hit_ratio"], 0.29)
        self.assertLessEqual(found["imbalance"], 1.05)
        self.assertAlmostEqual(found["ceiling_hit_ratio"], 0.366, delta=0.0005)

    def test_round_robin_hits_by_luck(self):
        self.assertAlmostEqual(self.replay("round-robin")["hit_ratio"], 0.113, delta=0.001)

    def test_longest_prefix_sends_everything_to_one_replica(self):
        found = self.replay("longest-prefix")
        self.assertAlmostEqual(found["hit_ratio"], 0.136, delta=0.001)
        self.assertEqual(found["imbalance"], 8.0)

    def test_a_missing_block_that_counts_once_hits_less_and_waits_longer(self):
        once, twice = self.replay("cost", "--missing-weight", 1), self.replay("cost")
        self.assertAlmostEqual(once["hit_ratio"], 0.288, delta=0.001)
        self.assertGreater(once["wait_mean_s"], 1.05 * twice["wait_mean_s"])
        self.assertGreater(once["wait_p99_s"], 1.05 * twice["wait_p99_s"])

    def test_wrong_options_are_told_as_such(self):
        done = self.twin("routing", "--trace", TRACE, "--policy", "best", code=2)
        self.assertIn("round-robin, longest-prefix or cost", done.stderr)
        done = self.twin("routing", "--trace", TRACE.parent / "none.jsonl", code=3)
        self.assertIn("none.jsonl", done.stderr)


twin_case.main()
