"""Clients that go away, keys that are revoked, engines that die: with the real engine and model."""
import contextlib
import json
import re
import time

import suite
from harness import kill9, wait_for

LONG = "The miller opened the gate and the water ran onto the wheel. " * 100  # about 1,500 tokens
WORDS = "Write a very long story about a watermill, its miller and the river."


class Cancel(suite.Case):
    def begin(self, text, stream, key=None, max_tokens=400):
        """A request under way; the connection to close."""
        connection = self.millrace.connect()
        body = {"model": self.millrace.env["MILLRACE_MODEL"], "messages": [{"role": "user", "content": text}],
                "stream": stream, "max_tokens": max_tokens, "temperature": 0}
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"authorization": f"Bearer {key or self.millrace.env['OPENAI_API_KEY']}",
                            "content-type": "application/json"})
        return connection

    def newest(self, status):
        return wait_for(lambda: next((r for r in reversed(self.millrace.records()) if r["status"] == status), None))

    def leave(self, text, stream, after_s):
        wait_for(lambda: not self.millrace.engine_is_busy())
        known = {r["request_id"] for r in self.millrace.records()}
        connection = self.begin(text, stream)
        wait_for(self.millrace.engine_is_busy)
        time.sleep(after_s)
        self.assertTrue(self.millrace.engine_is_busy())
        left = time.monotonic()
        connection.close()
        wait_for(lambda: not self.millrace.engine_is_busy(), 10, 0.005)
        free = time.monotonic()
        # The question itself takes its time, on a loaded machine much of it: the same one again, to an idle engine.
        self.assertFalse(self.millrace.engine_is_busy())
        took = free - left - (time.monotonic() - free)
        record = wait_for(lambda: next((r for r in self.millrace.records() if r["request_id"] not in known
                                        and r["status"] == "cancelled"), None))
        return took, record

    def test_leaving_a_stream_frees_the_engine_within_a_second(self):
        took, record = self.leave(WORDS, True, 0.5)
        self.assertLess(took, 1.0)
        self.assertGreater(record["output_tokens"], 0)
        self.assertGreater(record["energy_j"], 0)

    def test_leaving_a_whole_answer_frees_the_engine_within_a_second(self):
        took, record = self.leave(WORDS, False, 0.5)
        self.assertLess(took, 1.0)
        self.assertGreater(record["output_tokens"], 0)

    def test_leaving_in_the_prompt_phase_frees_the_engine(self):
        for stream in (True, False):
            took, record = self.leave(f"{time.monotonic()} {LONG}", stream, 0.3)
            self.assertLess(took, 1.0, f"stream={stream}")
            self.assertEqual(record["output_tokens"], 0)

    def read_until(self, answer, text):
        seen = b""
        while text not in seen:
            piece = answer.read1(4096)
            if not piece:
                break
            seen += piece
        return seen

    def test_a_revoked_key_ends_its_open_stream_and_its_use(self):
        made = self.millrace.key()
        with contextlib.closing(self.begin(WORDS, True, made["key"])) as connection:
            answer = connection.getresponse()
            self.read_until(answer, b"content")
            self.millrace.cli("key", "revoke", made["id"])
            rest = answer.read()
            self.assertIn(b"invalid_api_key", rest)
            self.assertNotIn(b"[DONE]", rest)
        self.assertEqual(self.millrace.chat(key=made["key"])[0], 401)
        self.assertEqual(self.newest("cancelled")["key_id"], made["id"])

    def test_an_expired_key_is_refused(self):
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        key = self.millrace.key("--expires", soon)["key"]
        self.assertEqual(self.millrace.chat(key=key, max_tokens=1)[0], 200)
        wait_for(lambda: self.millrace.chat(key=key, max_tokens=1)[0] == 401, 6)

    def test_an_engine_killed_mid_stream_ends_it_with_an_error_event_and_comes_back(self):
        with contextlib.closing(self.begin(WORDS, True)) as connection:
            answer = connection.getresponse()
            seen = self.read_until(answer, b'"content"')
            request_id = answer.getheader("x-request-id")
            kill9(next(p["pid"] for p in self.millrace.processes("engine") if p["name"].startswith("smollm2-0")))
            rest = seen + answer.read()
            self.assertIn(b'"error"', rest)
            self.assertNotIn(b"[DONE]", rest)
        record = self.millrace.record(request_id)
        self.assertEqual(record["status"], "failed")
        received = len(re.findall(rb'"content":"[^"]', rest))
        self.assertGreaterEqual(record["output_tokens"], received)
        wait_for(lambda: self.millrace.chat(max_tokens=4)[0] == 200, 30, 0.3)

    def test_the_answer_says_what_the_record_says(self):
        _, headers, body = self.status_of(self.millrace.chat(), 200)
        self.assertIn("Paris", body["choices"][0]["message"]["content"])
        record = self.millrace.record(headers["x-request-id"])
        usage = body["usage"]
        self.assertEqual(record["status"], "completed")
        self.assertEqual(record["input_tokens"], usage["prompt_tokens"])
        self.assertEqual(record["output_tokens"], usage["completion_tokens"])
        self.assertEqual(record["cached_tokens"], usage["prompt_tokens_details"]["cached_tokens"])
        for figure in ("energy_j", "co2e_g"):
            self.assertAlmostEqual(record[figure], usage["millrace"][figure], places=9)
        self.assertEqual(record["basis"], "modelled")
        self.assertAlmostEqual(record["cost_microeur"], usage["millrace"]["cost_eur"] * 1e6, places=3)


if __name__ == "__main__":
    suite.main()
