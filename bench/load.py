"""What the benchmarks are made of: a mock upstream, HAProxy and Millrace in front of it, load by wrk, figures of processes."""
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys

from harness import Millrace, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/millrace"
QUICK = "--quick" in sys.argv
# Many short rounds in turn: what else the machine does meets every row alike.
SECONDS, ROUNDS = (1, 1) if QUICK else (2, 7)
CHAT = "/v1/chat/completions"
BODY = ('{"model":"mock","messages":[{"role":"user","content":"Hello, please answer this short question about '
        'watermills."}],"max_tokens":64,"temperature":0.7}')
ANSWER = ('{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":'
          '{"role":"assistant","content":"Hello there, how can I help you today?"},"finish_reason":"stop"}],"usage":'
          '{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21}}')


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, within_s=60):
    def answers():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
    wait_for(answers, within_s)


@contextlib.contextmanager
def process(argv, **more):
    started = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **more)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        started.wait()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def nginx_conf(folder, port, body):
    path = folder / f"nginx-{port}.conf"
    path.write_text(f"""worker_processes 1; daemon off; pid {folder}/{port}.pid; error_log {folder}/{port}.err;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600;
  client_body_temp_path {folder}/b{port}; proxy_temp_path {folder}/p{port}; fastcgi_temp_path {folder}/f{port};
  uwsgi_temp_path {folder}/u{port}; scgi_temp_path {folder}/s{port};
  {body} }}""")
    return ["nginx", "-e", f"{folder}/{port}.err", "-c", str(path)]


def children(pid):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid] + [p for child in listed for p in children(int(child))]


def cpu_s(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def rss_mb(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
    return total / 1024


class Gateway:
    def __init__(self, name, url, pid, headers=None, beside=()):
        self.name, self.url, self.pids, self.headers = name, url, children(pid) if pid else [], headers or {}
        self.beside = list(beside)  # processes whose CPU time is part of the price, and not of the proxy
        self.runs = {}

    def load(self, connections, folder, seconds, path=CHAT, body=BODY):
        lua = folder / "post.lua"
        lines = [f'wrk.headers["{k}"]="{v}"' for k, v in {"content-type": "application/json", **self.headers}.items()]
        lua.write_text('wrk.method="POST"\n' + "\n".join(lines) + f"\nwrk.body='{body}'\n")
        before, beside = cpu_s(self.pids), cpu_s(self.beside)
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", str(lua),
                              self.url + path], capture_output=True, text=True).stdout
        used, beside = cpu_s(self.pids) - before, cpu_s(self.beside) - beside
        count = int(re.search(r"(\d+) requests in", out)[1])
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        assert not bad or QUICK, f"{self.name}: {bad[0]}"

        def us(percent):
            value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", out).groups()
            return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
        run = {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p50": us(50), "p99": us(99),
               "cpu_us": used / max(count, 1) * 1e6, "beside_us": beside / max(count, 1) * 1e6}
        self.runs.setdefault(connections, []).append(run)

    def median(self, connections, figure):
        return statistics.median(run[figure] for run in self.runs[connections])

    def against(self, other, connections, figure, combine):
        """Median over the rounds, each compared to the other's run in the same round."""
        pairs = zip(self.runs[connections], other.runs[connections])
        return statistics.median(combine(mine[figure], theirs[figure]) for mine, theirs in pairs)

    def ratio(self, other, connections, figure):
        return self.against(other, connections, figure, lambda mine, theirs: mine / theirs)

    def span(self, connections, figure):
        values = [run[figure] for run in self.runs[connections]]
        return f"{min(values):,.0f} to {max(values):,.0f}"


def measure(gateways, folder, connections=(64, 16, 1), seconds=SECONDS):
    for round_number in range(ROUNDS):
        for count in connections:
            for gateway in gateways:
                say(f"round {round_number + 1}/{ROUNDS}: {gateway.name}, c={count}")
                gateway.load(count, folder, seconds)
    base = gateways[0]
    print("| | requests/s c=64 (min to max) | c=16 | c=1 | p50 added c=1 | p99 added c=1 | CPU a request c=64 | RSS |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for g in gateways:
        added = [f"{g.against(base, 1, p, lambda mine, mocks: mine - mocks):+,.0f} us" if g is not base else f"({g.median(1, p):.0f} us)" for p in ("p50", "p99")]
        print(f"| {g.name} | {g.median(64, 'rps'):,.0f} ({g.span(64, 'rps')}) | {g.median(16, 'rps'):,.0f} | {g.median(1, 'rps'):,.0f} "
              f"| {added[0]} | {added[1]} | {g.median(64, 'cpu_us'):.1f} us | {rss_mb(g.pids):.1f} MB |")
    print()


@contextlib.contextmanager
def mock(folder, kind="application/json", answer=ANSWER):
    """An upstream that gives one answer to everything."""
    port = free_port()
    conf = nginx_conf(folder, port, f"server {{ listen 127.0.0.1:{port}; location / {{ default_type {kind}; return 200 '{answer}'; }} }}")
    with process(conf) as nginx:
        wait_port(port)
        yield port, nginx


@contextlib.contextmanager
def haproxy(folder, upstream):
    port = free_port()
    path = folder / f"haproxy-{port}.cfg"
    path.write_text(f"""global
  nbthread 1
  maxconn 9900
defaults
  mode http
  timeout client 600s
  timeout server 600s
  timeout connect 5s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{upstream}
""")
    with process(["haproxy", "-db", "-f", str(path)]) as started:
        wait_port(port)
        yield port, started


@contextlib.contextmanager
def millrace(upstream, program=PROGRAM):
    with Millrace(program, "--bare") as running:
        running.cli("endpoint", "create", "mock", "--upstream", f"http://127.0.0.1:{upstream}/v1", "--upstream-model", "m")
        running.cli("price", "set", "--model", "m", "--input-eur-per-mtok", "1", "--output-eur-per-mtok", "2")
        yield running


def limited_key(running):
    """A key with every limit, none of which is ever reached."""
    return running.key("--requests-per-minute", "100000000", "--tokens-per-minute", "100000000000", "--concurrency", "100000",
                       "--tokens-per-month", "1000000000000000", "--eur-per-month", "100000000")["key"]
