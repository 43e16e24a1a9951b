"""The command line: every command explains itself, prints JSON where it is asked to, and says of an error what was wrong
and what to do."""
import json
import pathlib
import subprocess

import suite


def commands(help_text):
    """Names under "Subcommands:" of a --help."""
    lines = help_text.partition("Subcommands:\n")[2].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("    ")]


class Cli(suite.Case):
    def leaves(self, *path):
        done = subprocess.run([suite.program(), *path, "--help"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), path)
        self.assertIn("Usage: millrace", done.stdout)
        below = commands(done.stdout)
        for name in below:
            yield from self.leaves(*path, name)
        if not below or path == ("usage",):
            yield path, done.stdout

    def fails(self, code, words, *arguments):
        done = self.millrace.cli(*arguments, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("millrace: "), done.stderr)
        self.assertLess(len(done.stderr), 300, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr, arguments)

    def test_every_command_explains_itself_and_takes_home_and_json(self):
        leaves = dict(self.leaves())
        self.assertGreater(len(leaves), 25)
        for path, text in leaves.items():
            # The twin needs no installation, and images are this machine's, not one installation's.
            for option in ("--json",) if path[0] in ("twin", "image") else ("--home", "--json"):
                self.assertIn(option, text, path)

    def test_what_is_asked_for_as_json_is_json(self):
        upstream = "http://127.0.0.1:9/v1"
        self.millrace.cli("usage", "records")
        answers = {}
        for line in ("version", "env", "status", "config check", "tenant create t1", "tenant list",
                     "project create p1 --tenant t1", "project list", "quota set --tenant t1 --concurrency 3",
                     "quota show --project p1", "key create --project p1 --eur-per-month 0.5", "key list",
                     f"endpoint create e1 --upstream {upstream}", "endpoint list", "endpoint show e1", "endpoint delete e1",
                     "price set --model m1 --input-eur-per-mtok 1 --output-eur-per-mtok 0.2",
                     "price set --accelerator-eur-per-hour 2.5", "price set --core-eur-per-hour 0.000002", "price list", "price list --all", "model list",
                     "job list", "queue", "node list", "top", "site events", "secret list",
                     "usage", "usage --by key", "usage --by tenant", "usage energy", "logs smollm2", "chat Hi --max-tokens 2"):
            text = self.millrace.cli(*line.split(), "--json").stdout
            self.assertNotRegex(text, r"[:\[,]\s*-?\d[\d.]*E-?\d", line)
            answers[line] = [json.loads(piece) for piece in text.splitlines()]
        self.assertEqual(answers["env"][0]["MILLRACE_URL"], self.millrace.env["MILLRACE_URL"])
        self.assertEqual(set(answers["key create --project p1 --eur-per-month 0.5"][0]), {"id", "key", "prefix"})
        self.assertEqual(answers["quota show --project p1"][0], {
            "quota": {"concurrency": 3}, "inherited": True, "compute": {"quota": None, "inherited": True}})
        *models, machines = answers["price list"][0]
        self.assertIn("m1", [price["model"] for price in models])
        self.assertEqual((machines["accelerator_eur_per_hour"], machines["core_eur_per_hour"], machines["version"]), (2.5, 2e-6, 2))
        *models, before, now = answers["price list --all"][0]
        self.assertEqual([price["version"] for price in models if price["model"] == "m1"], [1])
        self.assertEqual(now, machines)
        self.assertEqual((before["accelerator_eur_per_hour"], before["core_eur_per_hour"], before["version"]), (2.5, 0, 1))
        self.assertLess(before["effective_from"], now["effective_from"])
        self.assertEqual(set(answers["usage"][0][0]), {
            "name", "requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "energy_j", "co2e_g",
            "accelerator_s", "cpu_s", "cost_microeur", "cost_eur"})
        records = [json.loads(line) for line in self.millrace.cli("usage", "records", "--json").stdout.splitlines()]
        self.assertEqual(set(records[0]), {
            "request_id", "client_request_id", "tenant", "project", "key_id", "endpoint", "model", "status", "input_tokens",
            "cached_tokens", "output_tokens", "reasoning_tokens", "energy_j", "co2e_g", "energy_model", "accelerator_s", "cpu_s", "cost_microeur", "price_version", "basis",
            "site", "zone", "started_at", "ended_at"})

    def test_a_wrong_line_is_told_what_would_be_right(self):
        self.fails(2, ["there is no command 'millrace nonsense'", "endpoint", "see: millrace --help"], "nonsense")
        self.fails(2, ["millrace key does what?", "create, list, revoke"], "key")
        self.fails(2, ["millrace run has no option '--bogus'", "the form is: millrace run [OPTIONS] -- COMMAND..."], "run", "--bogus",
                   "--", "true")
        self.fails(2, ["--project is required", "see: millrace key create --help"], "key", "create")
        self.fails(2, ["'abc' is not a number of 0 or more"], "key", "create", "--project", "default", "--concurrency", "abc")
        self.fails(2, ["--unlimited or limits, not both"], "quota", "set", "--tenant", "default", "--unlimited",
                   "--concurrency", "1")
        self.fails(2, ["--model, --input-eur-per-mtok and --output-eur-per-mtok", "--core-eur-per-hour"], "price", "set")
        self.fails(2, ["give --model"], "price", "set", "--model", "m", "--input-eur-per-mtok", "1")
        self.fails(2, ["per mtok, that of machines per hour"], "price", "set", "--model", "m", "--core-eur-per-hour", "1")
        self.fails(2, ["not both"], "quota", "show", "--tenant", "default", "--project", "default")
        self.fails(2, ["/role: must be one of", "tenant-admin"], "key", "create", "--project", "default", "--role", "boss")
        self.fails(2, ["/expires: is not a time", "2026-11-22T10:00:00Z"], "key", "create", "--project", "default",
                   "--expires", "soon")
        self.fails(2, ["/name: must be 1 to 63 lower-case letters"], "tenant", "create", "No Name")
        self.fails(2, ["/name: must be"], "endpoint", "create", "X", "--upstream", "http://127.0.0.1:9/v1")
        self.fails(2, ["/upstream_url: must start with http"], "endpoint", "create", "x", "--upstream", "ftp://x")
        self.fails(2, ["--upstream-key-file", "/nowhere"], "endpoint", "create", "x", "--upstream", "http://127.0.0.1:9/v1",
                   "--upstream-key-file", "/nowhere")
        self.fails(2, ["ftp://x is no source", "pypi:NAME"], "model", "import", "ftp://x")

    def test_what_is_not_there_is_named(self):
        self.fails(3, ["there is no project 'nix'"], "key", "create", "--project", "nix")
        self.fails(3, ["there is no endpoint 'nix'"], "endpoint", "show", "nix")
        self.fails(3, ["there is no endpoint and no replica 'nix'"], "logs", "nix")
        self.fails(1, ["tenant 'default' exists already"], "tenant", "create", "default")

    def test_a_millrace_that_does_not_run_is_told_as_such(self):
        done = subprocess.run([suite.program(), "status", "--home", "/nowhere/home"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 5)
        self.assertIn("start it with: millrace up", done.stderr)
        environment = {"MILLRACE_URL": "http://127.0.0.1:9", "MILLRACE_KEY": "mr_x", "HOME": "/nowhere"}
        done = subprocess.run([suite.program(), "status"], capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 5)
        self.assertIn("is Millrace running?", done.stderr)

    def test_every_answer_has_an_id_of_its_own_which_is_the_records(self):
        developer, admin = self.millrace.env["OPENAI_API_KEY"], self.millrace.env["MILLRACE_KEY"]
        seen = set()
        for method, path, key in (("GET", "/healthz", developer), ("GET", "/v1/models", developer), ("GET", "/", developer),
                                  ("GET", "/v1/models", "mr_no"), ("GET", "/nothing", developer), ("PUT", "/healthz", developer),
                                  ("GET", "/api/v1/tenants", admin), ("GET", "/api/v1/nothing", admin), ("GET", "/metrics", admin),
                                  ("GET", "/console/", admin)):
            headers = self.millrace.request(method, path, key=key, headers={"x-request-id": "mine"})[1]
            self.assertRegex(headers["x-request-id"], r"^req_", path)
            seen.add(headers["x-request-id"])
        self.assertEqual(len(seen), 10)
        _, headers, _ = self.millrace.request(
            "POST", "/v1/chat/completions", {"model": self.millrace.env["MILLRACE_MODEL"], "max_tokens": 2,
                                             "messages": [{"role": "user", "content": "Hi"}]},
            developer, {"x-request-id": "mine"})
        self.assertEqual(self.millrace.record(headers["x-request-id"])["client_request_id"], "mine")

    def test_completion_knows_the_commands(self):
        for shell in ("bash", "zsh", "fish"):
            text = self.millrace.cli("completion", shell).stdout
            for word in ("endpoint", "--requests-per-minute", "revoke"):
                self.assertIn(word, text, shell)
        script = pathlib.Path(self.millrace.home, "completion.bash")
        script.write_text(self.millrace.cli("completion", "bash").stdout)
        asked = f'source {script}; COMP_WORDS=(millrace key ""); COMP_CWORD=2; _millrace; echo "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
        self.assertIn("revoke", done.stdout, done.stderr)


if __name__ == "__main__":
    suite.main()
