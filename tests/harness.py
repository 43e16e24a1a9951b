"""One Millrace for a test: a state folder of its own, started and stopped by the program under test. Standard library."""
import contextlib
import glob
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse


class Millrace:
    def __init__(self, program, *up_options, config=None, environment=None):
        """`environment`: variables that its own processes have besides those of the test."""
        self.program = str(pathlib.Path(program).resolve())
        self.home = tempfile.mkdtemp(prefix="millrace-test-")
        self.up_options = up_options
        self.up_environment = {**os.environ, **(environment or {})}
        if config:
            pathlib.Path(self.home, "config.toml").write_text(config)

    def __enter__(self):
        try:
            self.up("--listen", "127.0.0.1:0", *self.up_options)
            self.env = self.read_env()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([self.program, "down", "--home", self.home], capture_output=True, timeout=90)
        shutil.rmtree(self.home, ignore_errors=True)

    def up(self, *options):
        done = subprocess.run([self.program, "up", "--home", self.home, *options], capture_output=True, text=True, timeout=180,
                              env=self.up_environment)
        assert done.returncode == 0, done.stderr + done.stdout
        return done

    def cli(self, *arguments, check=True):
        done = subprocess.run([self.program, *arguments, "--home", self.home], capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{arguments}: {done.stderr}"
        return done

    def json(self, *arguments):
        return json.loads(self.cli(*arguments, "--json").stdout)

    def submit(self, spec, *options):
        """Id of a job from a job file's text or keys; without a working folder unless the options name one."""
        text = spec if isinstance(spec, str) else json.dumps(spec)
        if "--workdir" not in options:
            options += ("--no-workdir",)
        done = subprocess.run([self.program, "job", "submit", "-", "--json", "--home", self.home, *options], input=text,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["id"]

    def job(self, job_id):
        return self.json("job", "show", job_id)

    def wait_job(self, job_id, states, within_s=30.0):
        """The job once it is in one of these states."""
        last = {}

        def look():
            last.update(self.job(job_id))
            return last["state"] in states and dict(last)
        try:
            return wait_for(look, within_s)
        except AssertionError:
            raise AssertionError(f"job {job_id} is not {states} within {within_s} s: {last}") from None

    def read_env(self):
        lines = self.cli("env").stdout.splitlines()
        return dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines)

    def records(self):
        return [json.loads(line) for line in self.cli("usage", "records", "--json").stdout.splitlines()]

    def record(self, request_id, within_s=5.0):
        """The record of a request, once the ledger has it."""
        return wait_for(lambda: next((r for r in self.records() if r["request_id"] == request_id), None), within_s)

    def key(self, *options, project="default"):
        return self.json("key", "create", "--project", project, *options)

    def processes(self, role):
        return [p for p in self.json("status")["processes"] if p["role"] == role]

    def pid(self, role):
        return self.processes(role)[0]["pid"]

    def connect(self, timeout=60):
        url = urllib.parse.urlsplit(self.env["MILLRACE_URL"])
        return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)

    def request(self, method, path, body=None, key=None, headers=None, timeout=60):
        """(status, headers, parsed body or text)"""
        connection = self.connect(timeout)
        with contextlib.closing(connection):
            send = {"authorization": f"Bearer {key or self.env['OPENAI_API_KEY']}", **(headers or {})}
            data = None
            if body is not None:
                data = json.dumps(body)
                send["content-type"] = "application/json"
            connection.request(method, path, data, send)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = "json" in (answer.getheader("content-type") or "")
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(text) if is_json and text else text

    def chat(self, text="Name the capital of France.", key=None, model=None, timeout=60, **more):
        body = {"model": model or self.env["MILLRACE_MODEL"], "messages": [{"role": "user", "content": text}],
                "temperature": 0, "max_tokens": 16, **more}
        return self.request("POST", "/v1/chat/completions", body, key, timeout=timeout)

    def engine_is_busy(self):
        """True if the chat engine works on a request, by its own account."""
        import socket
        for path in glob.glob(self.sockets() + "/*/engine.sock"):
            with socket.socket(socket.AF_UNIX) as unix:
                unix.settimeout(5)
                unix.connect(path)
                unix.sendall(b"GET /slots HTTP/1.0\r\nHost: x\r\n\r\n")
                data = b""
                while piece := unix.recv(65536):
                    data += piece
            if b'"is_processing":true' in data:
                return True
        return False

    def sockets(self):
        run = self.home + "/run"
        if os.path.isdir(run):
            return run
        import hashlib
        return f"/tmp/millrace-{os.getuid()}-{hashlib.sha256(self.home.encode()).hexdigest()[:12]}"


class WallClock:
    """A wall clock that the test sets, for programs that are started with `environment`; they read it at each look. The steady
    clock stays the true one, and so do times of files. Statically linked programs and what runs in a sandbox do not see it."""

    def __init__(self):
        libraries = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
        assert libraries, "libfaketime is not installed: tools/install-deps.sh --test"
        self.folder = tempfile.mkdtemp(prefix="millrace-clock-")
        self.ahead_s = 0
        self.step(0)
        self.environment = {"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": self.folder + "/offset", "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        # libfaketime's first process makes a semaphore that the later ones open: one that lives as long as the test.
        self.keeper = subprocess.Popen(["sh", "-c", "echo $FAKETIME_SHARED; read line"], env={**os.environ, **self.environment},
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environment["FAKETIME_SHARED"] = self.keeper.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.communicate("\n", timeout=30)
        for name in self.environment["FAKETIME_SHARED"].split():  # which a shell leaves behind
            for path in (f"/dev/shm{name}", f"/dev/shm/sem.{name[1:]}"):
                pathlib.Path(path).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def step(self, seconds):
        """Sets it forward, or back where negative."""
        self.ahead_s += seconds
        fresh = pathlib.Path(self.folder, "new")
        fresh.write_text(f"{self.ahead_s:+d}\n")
        fresh.rename(self.folder + "/offset")

    def reaches(self, pid):
        """Whether the process is there and has it."""
        try:
            return "/faketime/" in pathlib.Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            return False


def make_certificate(folder, name):
    """A certificate for 127.0.0.1 that signs itself: its path and that of its key. Made anew where they are already."""
    cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def wait_for(condition, within_s=10.0, every_s=0.05):
    """The first true value of condition(); fails after the time."""
    until = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"not within {within_s} s"
        time.sleep(every_s)


def kill9(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
