"""Jobs as people use them: run, submit, logs, cancel, arrays, dependencies, files, limits.  jobs_test.py PROGRAM"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
from datetime import datetime

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, wait_for  # noqa: E402

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIELDS = {"id", "state", "reason", "expected_start", "exit_code", "attempts", "nodes", "limits_kind", "runs", "started_at", "ended_at",
          "accelerator_s", "cpu_s", "energy_j", "co2e_g", "cost_microeur", "basis"}


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.millrace = Millrace(PROGRAM, "--bare").__enter__()
        cls.folder = tempfile.mkdtemp()

    @classmethod
    def tearDownClass(cls):
        cls.millrace.__exit__()

    def run_job(self, *arguments, folder=None, text=None):
        return subprocess.run([PROGRAM, "run", "--home", self.millrace.home, *arguments], cwd=folder or self.folder, text=True,
                              input=text, capture_output=True, timeout=60)

    def test_run_shows_the_output_and_ends_with_the_jobs_own_exit_code(self):
        done = self.run_job("--", "sh", "-c", "echo to-out; echo to-err >&2; exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("to-out", done.stdout)
        self.assertIn("to-err", done.stdout + done.stderr)
        self.assertEqual(self.run_job("--time-limit", "1s", "--", "sleep", "60").returncode, 124)
        self.assertEqual(self.run_job("--", "true").returncode, 0)
        self.assertEqual(self.run_job("--", "python3", "-c", "import os; os.kill(os.getpid(), 9)").returncode, 137)

    def test_the_current_folder_comes_along_and_what_is_written_comes_back(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as back:
            root = pathlib.Path(folder)
            (root / "sub").mkdir()
            (root / "sub/data.txt").write_text("carried")
            (root / "big.bin").write_text("left behind")
            (root / ".millraceignore").write_text("*.bin\n")
            (root / "main.py").write_text(
                "import os, pathlib\n"
                "assert not pathlib.Path('big.bin').exists()\n"
                "pathlib.Path('new').write_text('x')\n"
                "out = pathlib.Path(os.environ['MILLRACE_OUTPUT'])\n"
                "(out / 'result.txt').write_text(pathlib.Path('sub/data.txt').read_text().upper())\n"
                "(out / 'latest').symlink_to('result.txt')\n"
                "(out / 'host').symlink_to('/etc/passwd')\n")
            done = self.run_job("--", "python3", "main.py", folder=folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            job = self.millrace.json("job", "list")
            newest = (job["data"] if isinstance(job, dict) else job)[0]["id"]
            self.millrace.cli("job", "artifacts", newest, "--to", back)
            self.assertEqual((pathlib.Path(back) / "result.txt").read_text(), "CARRIED")
            self.assertEqual(os.readlink(pathlib.Path(back) / "latest"), "result.txt")
            self.assertEqual(sorted(path.name for path in pathlib.Path(back).iterdir()), ["latest", "result.txt"])

    def test_a_job_is_shown_with_all_its_figures_and_is_in_the_ledger_once(self):
        job_id = self.millrace.submit({"command": ["python3", "-c", "sum(range(20_000_000))"], "name": "adds"})
        self.assertEqual(self.millrace.cli("job", "wait", job_id).returncode, 0)
        job = self.millrace.job(job_id)
        self.assertLessEqual(FIELDS, set(job))
        self.assertEqual((job["state"], job["exit_code"], job["attempts"]), ("succeeded", 0, 1))
        self.assertGreater(job["cpu_s"], 0.1)
        self.assertGreater(job["energy_j"], 0)
        self.assertEqual(job["basis"], "modelled")
        self.assertEqual(len(job["nodes"]), 1)
        mine = [r for r in self.millrace.records() if r["endpoint"] == f"job/{job_id}"]
        self.assertEqual(len(mine), 1)
        self.assertEqual(mine[0]["cpu_s"], job["cpu_s"])
        self.assertIn("adds", self.millrace.cli("job", "list").stdout)

    def test_a_run_costs_what_was_in_force_at_its_start_even_if_it_is_settled_by_a_later_server(self):
        def price(**by):
            return self.millrace.json("price", "set", *(f"--{name}-eur-per-hour={eur}" for name, eur in by.items()))["version"]

        def settled(job_id):
            self.millrace.cli("job", "wait", job_id)
            job = self.millrace.job(job_id)
            record, = [r for r in self.millrace.records() if r["endpoint"] == f"job/{job_id}"]
            held_h = (datetime.fromisoformat(record["ended_at"]) - datetime.fromisoformat(record["started_at"])).total_seconds() / 3600
            self.assertEqual(job["cost_microeur"], record["cost_microeur"])
            return record["price_version"], record["cost_microeur"] / held_h / 1e6
        free = settled(self.millrace.submit({"command": ["true"], "cpus": 0.1}))
        first = price(core=10, accelerator=1)
        job_id = self.millrace.submit({"command": ["sleep", "3"], "cpus": 0.5})
        self.millrace.wait_job(job_id, {"running"})
        self.assertEqual(price(core=1000), first + 1)
        os.kill(self.millrace.pid("server"), signal.SIGKILL)
        wait_for(lambda: self.millrace.cli("status", check=False).returncode == 0, 20)
        version, eur_per_hour = settled(job_id)
        self.assertEqual(version, first)
        self.assertAlmostEqual(eur_per_hour, 5, delta=0.01)
        version, eur_per_hour = settled(self.millrace.submit({"command": ["sleep", "1"], "cpus": 0.1}))
        self.assertEqual(version, first + 1)
        self.assertAlmostEqual(eur_per_hour, 100, delta=0.5)
        self.assertEqual(free, (0, 0))

    def test_run_tells_why_it_waits_and_goes_on(self):
        taken = self.millrace.submit({"command": ["sleep", "60"], "cpus": os.cpu_count()})
        self.millrace.wait_job(taken, {"running"})
        with subprocess.Popen([PROGRAM, "run", "--home", self.millrace.home, "--", "echo", "here"], cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            number = run.stderr.readline().split()[-1]
            self.assertRegex(run.stderr.readline(), rf"^job {number} waits: needs 1 core on one node; 0 are free")
            self.millrace.cli("job", "cancel", taken)
            self.assertEqual(run.stdout.read().strip(), "here")
            self.assertEqual(run.wait(30), 0)

    def test_ctrl_c_cancels(self):
        with subprocess.Popen([PROGRAM, "run", "--home", self.millrace.home, "--", "sh", "-c", "echo up; sleep 300"],
                              cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            self.assertEqual(run.stdout.readline().strip(), "up")
            run.send_signal(signal.SIGINT)
            self.assertNotEqual(run.wait(30), 0)
        listed = self.millrace.json("job", "list")
        newest = (listed["data"] if isinstance(listed, dict) else listed)[0]["id"]
        self.assertEqual(self.millrace.wait_job(newest, {"cancelled"})["state"], "cancelled")

    def test_a_second_ctrl_c_does_not_wait_for_the_end_and_says_so(self):
        with subprocess.Popen([PROGRAM, "run", "--home", self.millrace.home, "--", "sh", "-c", "trap '' TERM; echo up; sleep 5"],
                              cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            self.assertEqual(run.stdout.readline().strip(), "up")
            run.send_signal(signal.SIGINT)
            newest = self.millrace.json("job", "list")[0]["id"]
            wait_for(lambda: self.millrace.job(newest)["stopping"])
            run.send_signal(signal.SIGINT)
            self.assertEqual(run.wait(4), 130)
            self.assertIn(f"job {newest} is still being cancelled; see: millrace job show {newest}", run.stderr.read())

    def test_an_array_of_100_all_succeed_and_one_that_fails_fails_the_whole(self):
        job_id = self.millrace.submit({"command": ["sh", "-c", "test $MILLRACE_ARRAY_INDEX -lt 100"], "array": "0-99",
                                       "cpus": 0.05, "memory": "64MiB"})
        self.assertEqual(self.millrace.cli("job", "wait", job_id, check=False).returncode, 0)
        self.assertEqual(self.millrace.job(f"{job_id}_99")["state"], "succeeded")
        other = self.millrace.submit({"command": ["sh", "-c", "exit $MILLRACE_ARRAY_INDEX"], "array": "0-2", "cpus": 0.1})
        self.assertEqual(self.millrace.cli("job", "wait", other, check=False).returncode, 1)
        self.assertEqual(self.millrace.job(f"{other}_2")["exit_code"], 2)
        whole = self.millrace.job(other)
        self.assertEqual((whole["failed_elements"], whole["failed_more"]), ([f"{other}_1", f"{other}_2"], 0))
        self.assertRegex(self.millrace.cli("job", "show", other).stdout, rf"\nfailed_elements +{other}_1, {other}_2\n")

    def test_a_job_waits_for_what_it_comes_after(self):
        first = self.millrace.submit({"command": ["sleep", "1"], "cpus": 0.1})
        second = self.millrace.submit({"command": ["true"], "after": [first], "cpus": 0.1})
        self.assertIn("waits for", self.millrace.cli("job", "why", second).stdout)
        self.assertEqual(self.millrace.wait_job(second, {"succeeded"})["state"], "succeeded")
        self.assertGreaterEqual(self.millrace.job(second)["started_at"], self.millrace.job(first)["ended_at"])
        fails = self.millrace.submit({"command": ["false"], "cpus": 0.1})
        never = self.millrace.submit({"command": ["true"], "after": [fails], "cpus": 0.1})
        self.assertEqual(self.millrace.wait_job(never, {"cancelled"})["attempts"], 0)

    def test_what_each_run_wrote_is_kept(self):
        tried = self.millrace.submit({"command": ["sh", "-c", "echo this is $MILLRACE_RUN; test $MILLRACE_RUN = 3"], "retries": 3})
        self.assertEqual(self.millrace.cli("job", "wait", tried).returncode, 0)
        for options, said in ((("--run", "1"), "this is 1\n"), (("--run", "2"), "this is 2\n"), ((), "this is 3\n")):
            self.assertEqual(self.millrace.cli("job", "logs", tried, *options).stdout, said)
        self.assertIn("no run 4", self.millrace.cli("job", "logs", tried, "--run", "4", check=False).stderr)

    def test_limits_end_a_job_and_say_so(self):
        slow = self.millrace.submit({"command": ["sleep", "60"], "time_limit": "1s", "grace": "1s", "cpus": 0.1})
        greedy = self.millrace.submit({"command": ["python3", "-c", "x = bytearray(400 << 20)"], "memory": "128MiB"})
        self.assertEqual(self.millrace.wait_job(slow, {"timed_out"})["state"], "timed_out")
        job = self.millrace.wait_job(greedy, {"failed"})
        self.assertIn("memory", job["reason"])

    def test_what_cannot_run_says_why(self):
        job_id = self.millrace.submit({"command": ["true"], "accelerators": 1})
        self.millrace.wait_job(job_id, {"queued"})
        why = wait_for(lambda: "accelerator" in (text := self.millrace.cli("job", "why", job_id).stdout) and text)
        self.assertIn("accelerator", why)
        self.millrace.cli("job", "cancel", job_id)
        self.assertEqual(self.millrace.wait_job(job_id, {"cancelled"})["state"], "cancelled")

    def test_an_image_that_is_not_there_is_refused_with_those_that_are(self):
        before = self.millrace.json("job", "list")
        file = pathlib.Path(self.folder, "job.json")
        file.write_text(json.dumps({"command": ["true"], "image": "nowhere"}))
        refused = [self.run_job("--image", "nowhere", "--", "true")]
        refused += [self.millrace.cli("job", "submit", str(file), "--no-workdir", *more, check=False) for more in ((), ("--dry-run",))]
        for done in refused:
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, "image: there is no image 'nowhere'; there is: .*base.*; see: millrace image list")
        self.assertEqual(self.millrace.json("job", "list"), before)

    def test_a_wrong_file_names_line_and_key(self):
        done = subprocess.run([PROGRAM, "job", "submit", "-", "--no-workdir", "--home", self.millrace.home], text=True, capture_output=True,
                              input="command = ['true']\nmemroy = '1GiB'\n", timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("2", done.stderr)
        self.assertIn("memroy", done.stderr)

    def test_what_only_the_server_can_find_names_line_and_key_too(self):
        text = "command = ['true']\n\nafter = ['9999']\n"
        file = pathlib.Path(self.folder, "later.toml")
        file.write_text(text)
        for path, name in ((str(file), "later.toml"), ("-", "standard input")):
            for more in ((), ("--dry-run",)):
                done = subprocess.run([PROGRAM, "job", "submit", path, "--no-workdir", "--home", self.millrace.home, *more], text=True,
                                      capture_output=True, input=text, timeout=60)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"millrace: {name}:3: after: there is no job '9999'", done.stderr)

    def test_what_is_no_job_file_is_told_what_is_expected(self):
        for text, words in (("", "standard input is empty"), (" \n", "standard input is empty"), ("<job/>", "standard input:1: "),
                            ('{"command":', "standard input:1: JSON")):
            done = subprocess.run([PROGRAM, "job", "submit", "-", "--no-workdir", "--home", self.millrace.home], text=True,
                                  capture_output=True, input=text, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (2, ""), text)
            self.assertIn(words, done.stderr)
            self.assertIn("TOML or JSON with at least a command", done.stderr)

    def test_a_folder_that_is_too_large_is_bad_input(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/model.bin", "wb") as model:
                model.truncate(300 << 20)
            for done in (self.run_job("--", "true", folder=folder),
                         self.millrace.cli("job", "submit", __file__, "--workdir", folder, check=False)):
                self.assertEqual(done.returncode, 2, done.stderr)
                for words in ("holds 300.0 MiB in 1 file;", "largest: model.bin (300.0 MiB)", "At most 256MiB", ".millraceignore"):
                    self.assertIn(words, done.stderr)

    def test_a_jobs_standard_input_is_empty_and_nothing_waits_for_that_of_run(self):
        self.assertIn("standard input is empty", self.run_job("--help").stdout)
        done = self.run_job("--", "sh", "-c", "cat; echo end", text="not for the job")
        self.assertEqual((done.returncode, done.stdout), (0, "end\n"), done.stderr)
        inherited, kept_open = os.pipe()
        try:
            done = subprocess.run([PROGRAM, "run", "--home", self.millrace.home, "--", "cat"], cwd=self.folder, stdin=inherited,
                                  capture_output=True, timeout=60)
        finally:
            os.close(inherited)
            os.close(kept_open)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)

    def test_what_holds_limits_is_told_of_the_installation_nodes_and_jobs(self):
        kind = self.millrace.json("node", "list")[0]["limits_kind"]
        self.assertIn(kind, ("cgroup-v2", "cgroup-v1", "rlimits"))
        self.assertEqual(self.millrace.json("status")["limits_kind"], kind)
        self.assertEqual(self.millrace.json("top")["nodes"][0]["limits_kind"], kind)
        self.assertRegex(self.millrace.cli("status").stdout, rf"\nof work +{kind}")
        note = "limits: rlimits, memory and processes are looked at, processor time is not limited\n"
        self.assertEqual(note in self.millrace.cli("top").stdout, kind == "rlimits")
        job_id = self.millrace.submit({"command": ["true"]})
        self.millrace.wait_job(job_id, {"succeeded"})
        self.assertEqual(self.millrace.job(job_id)["limits_kind"], kind)
        self.assertRegex(self.millrace.cli("job", "show", job_id).stdout, rf"\nlimits_kind +{kind}\n")

    def test_a_secret_is_a_file_and_nowhere_else(self):
        subprocess.run([PROGRAM, "secret", "set", "token", "--home", self.millrace.home], input="s3cr3t-text", text=True, check=True,
                       capture_output=True)
        job_id = self.millrace.submit("command = ['sh', '-c', 'cat /run/token; echo; sleep 3']\n[[secret]]\nname = 'token'\n"
                                      "path = '/run/token'\n")
        wait_for(lambda: "s3cr3t-text" in self.millrace.cli("job", "logs", job_id).stdout)
        tables = subprocess.run(["ps", "axeww"], capture_output=True, text=True).stdout
        self.assertNotIn("s3cr3t-text", tables)
        self.assertNotIn("s3cr3t-text", json.dumps(self.millrace.job(job_id)))
        for path in pathlib.Path(self.millrace.home, "runs").rglob("*.json"):
            self.assertNotIn("s3cr3t-text", path.read_text())

    def test_a_job_reaches_the_platforms_endpoints_and_nothing_else(self):
        probe = ("import socket, urllib.request, urllib.error\n"
                 "try: urllib.request.urlopen('http://127.0.0.1:8080/v1/models', timeout=5)\n"
                 "except urllib.error.HTTPError as e: print('gateway', e.code)\n"
                 "for to in (('127.0.0.1', 22), ('10.0.0.1', 80), ('1.1.1.1', 53)):\n"
                 "    s = socket.socket(); s.settimeout(2)\n"
                 "    try: s.connect(to); print('reached', to)\n"
                 "    except OSError: print('closed', to[1])\n")
        done = self.run_job("--", "python3", "-c", probe)
        self.assertIn("gateway 401", done.stdout, done.stderr)
        self.assertNotIn("reached", done.stdout)

    def test_a_kill_of_the_server_does_not_touch_what_runs(self):
        job_id = self.millrace.submit({"command": ["sh", "-c", "sleep 3; exit 5"], "cpus": 0.1})
        self.millrace.wait_job(job_id, {"running"})
        before = self.millrace.pid("server")
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self.millrace.cli("status", check=False).returncode == 0, 20)
        job = self.millrace.wait_job(job_id, {"failed"})
        self.assertEqual((job["exit_code"], job["attempts"]), (5, 1))



if __name__ == "__main__":
    unittest.main()
