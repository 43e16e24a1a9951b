"""Replicas by load: from and to zero, and changes under load, with the real engine."""
import contextlib
import json
import threading

import suite
from harness import wait_for


class Serving(suite.Case):
    def endpoint(self, name):
        return self.millrace.json("endpoint", "show", name)

    def make(self, name, *options):
        self.millrace.cli("endpoint", "create", name, "--model", "smollm2", "--threads", "1", "--context", "2048", *options)
        self.addCleanup(self.millrace.cli, "endpoint", "delete", name)

    def test_a_sleeping_endpoint_answers_its_first_request_and_sleeps_again(self):
        self.make("dozy", "--min", "0", "--max", "1", "--idle", "2")
        wait_for(lambda: self.endpoint("dozy")["state"] == "sleeping")
        connection = self.millrace.connect()
        with contextlib.closing(connection):
            body = {"model": "dozy", "messages": [{"role": "user", "content": "Name the capital of France."}], "temperature": 0,
                    "max_tokens": 8, "stream": True}
            connection.request("POST", "/v1/chat/completions", json.dumps(body),
                               {"authorization": "Bearer " + self.millrace.env["OPENAI_API_KEY"], "content-type": "application/json"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            text = answer.read().decode()
        self.assertTrue(text.startswith(": waiting for a replica\n\n"), text[:200])
        self.assertIn("Paris", text)
        record = self.millrace.record(answer.getheader("x-request-id"))
        self.assertEqual((record["status"], record["endpoint"]), ("completed", "dozy"))
        wait_for(lambda: self.endpoint("dozy")["state"] == "sleeping", 30)
        wait_for(lambda: not [p for p in self.millrace.processes("engine") if p["name"].startswith("dozy")], 30)

    def test_a_request_that_is_not_streamed_waits_with_its_connection_open(self):
        self.make("quiet", "--min", "0", "--max", "1")
        status, _, body = self.millrace.chat(model="quiet")
        self.assertEqual(status, 200)
        self.assertIn("Paris", body["choices"][0]["message"]["content"])

    def test_a_second_replica_comes_when_the_first_is_full(self):
        self.make("busy", "--min", "1", "--max", "2", "--slots", "1")
        done = []
        threads = [threading.Thread(target=lambda: done.append(self.millrace.chat(model="busy", max_tokens=64)[0]))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: self.endpoint("busy")["ready_replicas"] == 2, 60)
        for thread in threads:
            thread.join()
        self.assertEqual(done, [200] * 4)

    def test_a_change_of_parameters_under_load_fails_no_request(self):
        self.make("rolling", "--slots", "2")
        outcomes, ending = [], threading.Event()

        def client():
            while not ending.is_set():
                try:
                    outcomes.append(self.millrace.chat(model="rolling", max_tokens=4)[0])
                except OSError as error:
                    outcomes.append(repr(error))
        threads = [threading.Thread(target=client) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            before = self.millrace.json("endpoint", "show", "rolling")
            changed = self.millrace.json("endpoint", "update", "rolling", "--slots", "3")
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        self.assertEqual((before["slots"], changed["slots"], changed["ready_replicas"]), (2, 3, 1))
        self.assertGreater(len(outcomes), 3)
        self.assertEqual([o for o in outcomes if o != 200], [])
        engines = [p["name"] for p in self.millrace.processes("engine") if p["name"].startswith("rolling")]
        self.assertEqual(engines, ["rolling-1"])

    def test_a_stopped_endpoint_says_so(self):
        self.make("off", "--replicas", "0")
        self.assertEqual(self.endpoint("off")["state"], "stopped")
        status, headers, body = self.millrace.chat(model="off")
        self.assertEqual(status, 503)
        self.assertIn("no replica of it is wanted", body["error"]["message"])
        self.assertIn("retry-after", headers)


if __name__ == "__main__":
    suite.main()
