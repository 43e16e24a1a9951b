"""Workloads' way to the platform while the gateway serves TLS.  tls_test.py PROGRAM"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, make_certificate  # noqa: E402
from upstream import Upstream  # noqa: E402

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
ASK = """
import json, os, urllib.error, urllib.request
base, key = os.environ["OPENAI_BASE_URL"], open("/run/key").read().strip()
print("base", base)

def ask(url, headers, body=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""

question = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "Hi"}]}).encode()
headers = {"authorization": "Bearer " + key, "content-type": "application/json"}
status, text = ask(base + "/chat/completions", headers, question)
print("answer", status, json.loads(text)["choices"][0]["message"]["content"])
print("without a key", ask(base + "/models", {})[0], ask(os.environ["MILLRACE_URL"] + "/metrics", {})[0])
print("socket", os.path.exists(os.environ["SOCKET"]))
"""


class BehindTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cert, key = make_certificate(cls.folder.name, "millrace")
        cls.millrace = Millrace(PROGRAM, "--bare", "--tls-cert", cert, "--tls-key", key).__enter__()
        cls.upstream = Upstream()

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()
        cls.millrace.__exit__()
        cls.folder.cleanup()

    def test_a_job_without_network_gets_an_answer_at_the_base_url_it_was_given(self):
        self.assertTrue(self.millrace.env["MILLRACE_URL"].startswith("https://"))
        self.millrace.cli("endpoint", "create", "mock", "--upstream", self.upstream.url, "--upstream-model", "m")
        subprocess.run([PROGRAM, "secret", "set", "key", "--home", self.millrace.home], input=self.millrace.env["OPENAI_API_KEY"],
                       text=True, check=True, capture_output=True)
        socket = pathlib.Path(self.millrace.sockets(), "gateway.sock")
        self.assertEqual(socket.stat().st_mode & 0o777, 0o600)
        self.assertEqual(socket.parent.stat().st_mode & 0o777, 0o700)
        job_id = self.millrace.submit({"command": ["python3", "-c", ASK], "env": {"SOCKET": str(socket)},
                                       "secret": [{"name": "key", "path": "/run/key"}]})
        self.millrace.wait_job(job_id, {"succeeded", "failed"})
        told = self.millrace.cli("job", "logs", job_id).stdout
        self.assertEqual(told.splitlines(), ["base http://127.0.0.1:8080/v1", "answer 200 Hello", "without a key 401 401",
                                             "socket False"])
        self.assertEqual(self.upstream.served, 1)


if __name__ == "__main__":
    unittest.main()
