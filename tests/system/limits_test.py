"""Limits, quotas and budgets under parallel clients; prices and what the ledger says of them."""
import concurrent.futures
import time

import suite
from upstream import Upstream

class Limits(suite.Case):
    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream()
        cls.millrace.cli("endpoint", "create", "mock", "--upstream", cls.upstream.url, "--upstream-model", "m")
        cls.millrace.cli("price", "set", "--model", "m", "--input-eur-per-mtok", "1", "--output-eur-per-mtok", "3")

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()

    def setUp(self):
        self.upstream.delay_s = 0.0
        self.upstream.most = 0

    def ask(self, key, **more):
        return self.millrace.chat("Hi", key=key, model="mock", **more)

    def flood(self, key, requests, parallel=16, **more):
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(lambda _: self.ask(key, **more), range(requests)))

    def statuses(self, answers):
        return {status: sum(a[0] == status for a in answers) for status in {a[0] for a in answers}}

    def test_requests_per_minute_are_met_and_never_passed(self):
        key = self.millrace.key("--requests-per-minute", "60")["key"]
        begin = time.monotonic()
        answers = self.flood(key, 200)
        refill = (time.monotonic() - begin) * 1.0
        passed = self.statuses(answers)[200]
        self.assertGreaterEqual(passed, 60 * 0.99)
        self.assertLessEqual(passed, 60 + refill + 1)
        refused = next(a for a in answers if a[0] == 429)
        self.assertEqual(refused[2]["error"]["code"], "rate_limit_exceeded")
        self.assertGreaterEqual(int(refused[1]["retry-after"]), 1)
        self.assertEqual(refused[1]["x-ratelimit-limit-requests"], "60")
        self.assertEqual(refused[1]["x-ratelimit-remaining-requests"], "0")

    def test_concurrency_is_met_and_never_passed(self):
        self.upstream.delay_s = 0.3
        key = self.millrace.key("--concurrency", "4")["key"]
        answers = self.flood(key, 40, parallel=20)
        self.assertLessEqual(self.upstream.most, 4)
        self.assertGreaterEqual(self.upstream.most, 4)
        self.assertIn(429, self.statuses(answers))

    def test_tokens_per_minute_reserve_the_maximum_and_refund_the_rest(self):
        key = self.millrace.key("--tokens-per-minute", "1000")["key"]
        begin = time.monotonic()
        answers = self.flood(key, 100, parallel=8, max_tokens=100)
        refill = (time.monotonic() - begin) * 1000 / 60
        used = self.statuses(answers)[200] * 15
        self.assertLessEqual(used, 1000 + refill + 15)
        self.assertGreaterEqual(self.statuses(answers)[200], 5)  # a reservation is far larger than the use
        after = self.ask(key, max_tokens=1)
        self.assertIn("x-ratelimit-remaining-tokens", after[1])

    def test_a_request_above_the_capacity_is_told_so(self):
        key = self.millrace.key("--tokens-per-minute", "100")["key"]
        status, headers, body = self.ask(key, max_tokens=5000)
        self.assertEqual(status, 429)
        self.assertIn("can never run", body["error"]["message"])
        self.assertNotIn("retry-after", headers)

    def test_budgets_of_the_month_hold(self):
        tokens = self.millrace.key("--tokens-per-month", "400")["key"]
        answers = self.flood(tokens, 100, parallel=8, max_tokens=20)
        self.assertLessEqual(self.statuses(answers)[200] * 15, 400)
        refused = self.ask(tokens, max_tokens=400)
        self.assertEqual(refused[2]["error"]["code"], "insufficient_quota")
        euros = self.millrace.key("--eur-per-month", "0.001")["key"]  # 25 micro-euro an answer
        answers = self.flood(euros, 100, parallel=8, max_tokens=20)
        self.assertLessEqual(self.statuses(answers)[200] * 25, 1000)
        self.assertGreaterEqual(self.statuses(answers)[200], 5)
        self.assertIn(429, self.statuses(answers))

    def test_a_new_tenant_can_do_nothing_until_it_has_a_quota(self):
        self.millrace.cli("tenant", "create", "acme")
        self.millrace.cli("project", "create", "lab", "--tenant", "acme")
        key = self.millrace.key(project="lab")["key"]
        status, _, body = self.ask(key)
        self.assertEqual((status, body["error"]["code"]), (429, "insufficient_quota"))
        self.millrace.cli("quota", "set", "--tenant", "acme", "--requests-per-minute", "2")
        shown = self.millrace.json("quota", "show", "--project", "lab")
        self.assertTrue(shown["inherited"])
        statuses = [self.ask(key)[0] for _ in range(4)]
        self.assertEqual(statuses, [200, 200, 429, 429])
        self.millrace.cli("quota", "set", "--tenant", "acme", "--unlimited")
        self.assertEqual(self.ask(key)[0], 200)

    def test_a_limit_that_is_set_leaves_the_others_as_they_were(self):
        self.millrace.cli("tenant", "create", "kept")
        of_kept = ("quota", "set", "--tenant", "kept")
        for options in (("--requests-per-minute", "7"), ("--concurrency", "5"), ("--accelerators", "8", "--no-borrow"), ("--share", "3")):
            self.millrace.cli(*of_kept, *options)
        shown = self.millrace.json("quota", "show", "--tenant", "kept")
        self.assertEqual(shown["quota"], {"requests_per_minute": 7, "concurrency": 5})
        self.assertEqual(shown["compute"]["quota"], {"accelerators": 8, "borrow": False, "share": 3})
        self.millrace.cli(*of_kept, "--concurrency", "4", "--replace")
        self.millrace.cli(*of_kept, "--borrow")
        shown = self.millrace.json("quota", "show", "--tenant", "kept")
        self.assertEqual(shown["quota"], {"concurrency": 4})
        self.assertEqual(shown["compute"]["quota"], {"accelerators": 8, "borrow": True, "share": 3})

    def test_a_record_keeps_the_price_of_its_start_and_equals_the_answer(self):
        key = self.millrace.key()["key"]
        old = self.ask(key)
        self.millrace.cli("price", "set", "--model", "m", "--input-eur-per-mtok", "0.05", "--output-eur-per-mtok", "0.1")
        new = self.ask(key)
        self.millrace.cli("price", "set", "--model", "m", "--input-eur-per-mtok", "1", "--output-eur-per-mtok", "3")
        first = self.millrace.record(old[1]["x-request-id"])
        second = self.millrace.record(new[1]["x-request-id"])
        self.assertEqual(first["cost_microeur"], 25)
        self.assertEqual(second["cost_microeur"], 1)  # 0.5 + 0.5
        self.assertEqual(second["price_version"], first["price_version"] + 1)
        self.assertIsNone(first["energy_j"])
        self.assertEqual(first["basis"], "unknown")
        self.assertAlmostEqual(old[2]["usage"]["millrace"]["cost_eur"], 25e-6)

    def test_sums_equal_the_records(self):
        for _ in range(3):
            self.ask(None)
        suite.harness.wait_for(lambda: all(r["ended_at"] for r in self.millrace.records()))
        time.sleep(0.5)  # the drain
        records = self.millrace.records()
        for by, member in (("model", "model"), ("key", "key_id"), ("project", "project")):
            sums = {row["name"]: row for row in self.millrace.json("usage", "--by", by)}
            for name in {r[member] for r in records}:
                mine = [r for r in records if r[member] == name]
                self.assertEqual(sums[name]["requests"], len(mine))
                self.assertEqual(sums[name]["output_tokens"], sum(r["output_tokens"] for r in mine))


if __name__ == "__main__":
    suite.main()
