"""Starting, stopping, restarting and configuring: what an operator does."""
import http.server
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import suite
from harness import Millrace, kill9, make_certificate, wait_for


class Lifecycle(suite.Case):
    def test_up_again_is_quick_and_changes_nothing(self):
        before = self.millrace.json("status")["processes"]
        begin = time.monotonic()
        done = self.millrace.up()
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn("Paris", done.stdout)
        self.assertEqual(self.millrace.json("status")["processes"], before)

    def test_two_homes_do_not_disturb_each_other(self):
        with Millrace(suite.program(), "--bare") as other:
            self.assertNotEqual(other.env["MILLRACE_URL"], self.millrace.env["MILLRACE_URL"])
            self.assertEqual(other.json("endpoint", "list"), [])
            self.assertEqual(other.chat(key=self.millrace.env["OPENAI_API_KEY"], model="smollm2")[0], 401)
        self.assertEqual(self.millrace.chat(max_tokens=2)[0], 200)

    def test_a_named_home_goes_before_the_address_of_another(self):
        exported = {**os.environ, **self.millrace.env}
        with Millrace(suite.program(), "--bare") as other:
            def say(*words, **environment):
                return subprocess.run([suite.program(), *words], capture_output=True, text=True, env={**exported, **environment})
            for done in (say("env", MILLRACE_HOME=other.home), say("env", "--home", other.home)):
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(other.env["MILLRACE_KEY"], done.stdout)
                self.assertNotIn(self.millrace.env["MILLRACE_KEY"], done.stdout)
            with tempfile.TemporaryDirectory() as unused:
                self.assertIn(self.millrace.env["MILLRACE_KEY"], say("env", MILLRACE_HOME=unused).stdout)
                self.assertEqual(say("env", "--home", unused).returncode, 5)
            other.cli("down")
            self.assertIn("not running on " + other.home + " any more", say("status", MILLRACE_HOME=other.home).stderr)

    def test_what_listens_where_a_stopped_one_did_is_sent_no_key(self):
        with Millrace(suite.program(), "--bare") as other:
            port = urllib.parse.urlsplit(other.env["MILLRACE_URL"]).port
            other.cli("down")
            with socket.create_server(("127.0.0.1", port)) as listener:
                listener.settimeout(1)
                done = subprocess.run([suite.program(), "status", "--home", other.home], capture_output=True, text=True)
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertRaises(TimeoutError, listener.accept)

    def test_an_answer_that_is_no_millraces_is_told(self):
        class Other(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            environment = {"MILLRACE_URL": f"http://127.0.0.1:{server.server_port}", "MILLRACE_KEY": "mr_x", "HOME": "/nowhere"}
            done = subprocess.run([suite.program(), "status"], capture_output=True, text=True, env=environment)
            server.shutdown()
        self.assertEqual(done.returncode, 1)
        self.assertIn("what listens there?", done.stderr)

    def test_secrets_are_for_their_owner_alone(self):
        home = pathlib.Path(self.millrace.home)
        self.assertEqual(home.stat().st_mode & 0o777, 0o700)
        files = [*home.glob("secrets/*"), home / "policy.json", home / "data/millrace.db", home / "gateway.json"]
        for file in files:
            self.assertEqual(file.stat().st_mode & 0o777, 0o600, file)
        bootstrap = (home / "secrets/bootstrap.key").read_text().strip()
        self.assertEqual(bootstrap, self.millrace.env["MILLRACE_KEY"])
        for log in home.glob("logs/*"):
            self.assertNotIn(bootstrap, log.read_text())
        command_lines = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout
        self.assertNotIn(bootstrap, command_lines)

    def test_the_address_survives_a_killed_gateway(self):
        kill9(self.millrace.pid("gateway"))
        wait_for(lambda: self.answers(), 15)
        self.assertEqual(self.millrace.chat(max_tokens=2)[0], 200)

    def answers(self):
        try:
            return self.millrace.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def test_inference_goes_on_while_the_server_is_dead_and_is_metered_later(self):
        server = self.millrace.pid("server")
        engine = self.millrace.pid("engine")
        os.kill(server, signal.SIGSTOP)  # it cannot answer, and nobody starts another
        try:
            status, headers, _ = self.millrace.chat(max_tokens=2)
            self.assertEqual(status, 200)
        finally:
            kill9(server)
        self.assertEqual(self.millrace.chat(max_tokens=2)[0], 200)
        wait_for(lambda: self.millrace.cli("status", check=False).returncode == 0, 20)
        self.assertEqual(self.millrace.pid("engine"), engine)
        self.assertEqual(self.millrace.record(headers["x-request-id"])["status"], "completed")

    def test_a_server_and_a_gateway_that_start_together_answer_at_once(self):
        gateway = self.millrace.pid("gateway")
        kill9(self.millrace.pid("server"))
        wait_for(lambda: self.millrace.cli("status", check=False).returncode == 0, 20, 0.01)
        kill9(gateway)
        wait_for(self.answers, 20, 0.01)
        self.assertEqual([self.millrace.chat(max_tokens=1)[0] for _ in range(20)], [200] * 20)

    def test_what_was_killed_goes_on_where_it_listened(self):
        with Millrace(suite.program(), "--bare") as other:
            for role in ("up", "gateway"):
                kill9(other.pid(role))
            other.up("--bare")
            self.assertEqual(other.read_env()["MILLRACE_URL"], other.env["MILLRACE_URL"])

    def test_down_leaves_nothing_to_be_metered_later(self):
        with Millrace(suite.program(), "--bare") as other:
            key_file = pathlib.Path(other.home, "upstream.key")
            key_file.write_text(self.millrace.env["OPENAI_API_KEY"])
            other.cli("endpoint", "create", "far", "--upstream", self.millrace.env["OPENAI_BASE_URL"],
                      "--upstream-model", self.millrace.env["MILLRACE_MODEL"], "--upstream-key-file", str(key_file))
            status, headers, _ = other.chat(model="far", max_tokens=2)
            self.assertEqual(status, 200)
            other.cli("down")
            self.assertEqual(list(pathlib.Path(other.home, "journal").iterdir()), [])
            other.up("--listen", "127.0.0.1:0", "--bare")
            self.assertEqual(other.record(headers["x-request-id"])["status"], "completed")

    def test_metrics_pass_their_checker(self):
        for path in ("/metrics", "/api/v1/metrics"):
            status, _, text = self.millrace.request("GET", path, key=self.millrace.env["MILLRACE_KEY"])
            self.assertEqual(status, 200)
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), path)

    def test_energy_is_conserved(self):
        self.millrace.chat()
        intervals = wait_for(lambda: self.millrace.json("usage", "energy"), 25, 1)
        for interval in intervals:
            self.assertAlmostEqual(interval["site_j"], interval["attributed_j"] + interval["idle_j"], places=5)
            self.assertIn(interval["basis"], ("measured", "modelled"))

    def test_an_address_beyond_loopback_without_tls_is_refused(self):
        with self.assertRaises(AssertionError) as raised:
            with Millrace(suite.program(), "--bare") as other:
                other.cli("down")
                other.up("--bare", "--listen", "0.0.0.0:0")
        self.assertIn("needs TLS", str(raised.exception))

    def test_a_wrong_setting_is_told_by_file_line_and_key(self):
        with Millrace(suite.program(), "--bare") as other:
            pathlib.Path(other.home, "config.toml").write_text("[site]\nname = 'a'\nzoen = 'FR'\n")
            done = other.cli("config", "check", check=False)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"config\.toml:3.*zoen")
            for wrong, told in (("[site]\nzone = 'XX'\n", r"site\.zone.*'XX'"), ("[site]\nintensity = 'none.csv'\n", r"none\.csv"),
                                ("[listen]\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n", r"c\.pem")):
                pathlib.Path(other.home, "config.toml").write_text(wrong)
                done = other.cli("config", "check", check=False)
                self.assertEqual(done.returncode, 2, wrong)
                self.assertRegex(done.stderr, told)

    def test_tls_serves_and_takes_a_new_certificate_without_a_restart(self):
        with Millrace(suite.program(), "--bare") as other:
            other.cli("down")
            cert, key = make_certificate(other.home, "first")
            other.up("--bare", "--listen", "127.0.0.1:0", "--tls-cert", os.path.relpath(cert), "--tls-key", os.path.relpath(key))
            url = other.read_env()["MILLRACE_URL"]
            self.assertTrue(url.startswith("https://"))

            def subject():
                port = int(url.rsplit(":", 1)[1])
                pem = ssl.get_server_certificate(("127.0.0.1", port))
                return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True,
                                      text=True).stdout
            self.assertIn("first", subject())
            with urllib.request.urlopen(url + "/healthz", context=ssl.create_default_context(cafile=cert)) as answer:
                self.assertEqual(answer.status, 200)
            gateway = other.pid("gateway")
            make_certificate(other.home, "second")
            os.kill(gateway, signal.SIGHUP)  # at once; by itself it looks every few seconds
            wait_for(lambda: "second" in subject())
            pathlib.Path(cert).write_text("half a")
            make_certificate(other.home, "third")
            wait_for(lambda: "third" in subject())
            self.assertEqual(other.pid("gateway"), gateway)
            pathlib.Path(cert).write_text("not one at all")
            status = subprocess.run([suite.program(), "status", "--home", other.home], cwd="/", capture_output=True, text=True)
            self.assertEqual((status.returncode, status.stderr), (0, ""), "trusts what is in use, from any folder")
            self.assertEqual(other.pid("gateway"), gateway)  # it was not started anew

    def test_a_model_file_that_is_cut_off_is_refused_before_any_engine_sees_it(self):
        home = pathlib.Path(self.millrace.home)
        model = next(home.glob("models/blobs/*")).read_bytes()
        broken = home / "broken.gguf"
        broken.write_bytes(model[: len(model) // 8])  # its header is right, its tensors are cut off
        refused = self.millrace.cli("model", "import", str(broken), "--name", "broken", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("more than the whole file", refused.stderr)


class ControlApi(suite.Case):
    def test_every_route_refuses_a_stranger(self):
        document = self.millrace.request("GET", "/api/v1/openapi.json")[2]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if method not in ("get", "post", "put", "patch", "delete") or operation.get("security") == []:
                    continue
                concrete = path.replace("{", "x").replace("}", "")
                body = {} if method in ("post", "put", "patch") else None
                status = self.millrace.request(method.upper(), concrete, body, key="mr_wrong")[0]
                self.assertEqual(status, 401, f"{method} {path}")

    def test_a_viewer_may_not_infer_and_a_developer_may_not_manage(self):
        viewer = self.millrace.key("--role", "viewer")["key"]
        self.assertEqual(self.millrace.chat(key=viewer)[0], 403)
        developer = self.millrace.env["OPENAI_API_KEY"]
        self.assertEqual(self.millrace.request("POST", "/api/v1/tenants", {"name": "x"}, developer)[0], 403)

    def test_the_console_is_served_with_a_strict_policy(self):
        with urllib.request.urlopen(self.millrace.env["MILLRACE_URL"] + "/console/") as answer:
            self.assertIn("default-src 'self'", answer.headers["content-security-policy"])
            self.assertIn("text/html", answer.headers["content-type"])


if __name__ == "__main__":
    suite.main()
