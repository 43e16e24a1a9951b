"""kill -9 of any process at random points under load; then the ledger must equal what clients saw.

    chaos_test.py PROGRAM [SEED]        20 kills, 100 with MILLRACE_LONG=1; the seed is printed and replays the choices

Two endpoints: the real engine, and an upstream in this process that knows exactly what it sent.
"""
import http.client
import json
import os
import pathlib
import random
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, kill9, wait_for  # noqa: E402

CLIENTS = 6
ROLES = ("gateway", "server", "supervise", "engine", "up")


class Upstream(BaseHTTPRequestHandler):
    """Streams or answers 1 to 12 tokens; notes how many it made for the marker in each prompt."""
    protocol_version = "HTTP/1.1"
    made = {}
    lock = threading.Lock()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        marker = body["messages"][0]["content"]
        tokens = random.Random(marker).randint(1, 12)
        with Upstream.lock:
            Upstream.made.setdefault(marker, 0)
        usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
        head = {"id": "x", "created": 1, "model": "m"}
        if not body.get("stream"):
            time.sleep(tokens * 0.01)
            Upstream.made[marker] = tokens
            return self.send("application/json", json.dumps({**head, "object": "chat.completion", "usage": usage, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "t " * tokens}, "finish_reason": "stop"}]}))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

        def event(**more):
            chunk = {**head, "object": "chat.completion.chunk", **more}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        for _ in range(tokens):
            Upstream.made[marker] += 1
            event(choices=[{"index": 0, "delta": {"content": "t "}, "finish_reason": None}])
            time.sleep(0.01)
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        event(choices=[], usage=usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def send(self, content_type, text):
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Seen:
    """What one client saw of one request."""

    def __init__(self, marker, model):
        self.marker, self.model = marker, model
        self.request_id = self.status = self.usage = None
        self.received = 0  # pieces of text that came
        self.answered = False  # an event or a body came: a stream that waits for a replica has only its head and comments


def ask(millrace, seen, stream, timeout=30):
    connection = millrace.connect(timeout)
    try:
        body = {"model": seen.model, "messages": [{"role": "user", "content": seen.marker}], "max_tokens": 12,
                "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"authorization": "Bearer " + millrace.env["OPENAI_API_KEY"],
                            "content-type": "application/json", "x-client-request-id": seen.marker})
        answer = connection.getresponse()
        seen.status = answer.status
        seen.request_id = answer.getheader("x-request-id")
        text = b""
        while piece := answer.read1(65536):
            text += piece
            seen.answered = seen.answered or not stream or text.startswith(b"data:") or b"\ndata:" in text
            seen.received = len(re.findall(rb'"delta":\{[^}]*"content":"[^"]', text))
            if found := re.search(rb'"usage":(\{.*?\}\})(?=[,}\]])|"usage":(\{"prompt_tokens".*?"millrace":\{.*?\}\})', text):
                seen.usage = json.loads(found[1] or found[2])
        if not stream and answer.status == 200:
            seen.usage = json.loads(text)["usage"]
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        connection.close()


def client(millrace, number, rng, stop, log):
    count = 0
    while not stop.is_set():
        model = "mock" if rng.random() < 0.7 else millrace.env["MILLRACE_MODEL"]
        seen = Seen(f"c{number}-{count}", model)
        count += 1
        log.append(seen)
        ask(millrace, seen, rng.random() < 0.6)
        if seen.status != 200:
            time.sleep(0.02)


def is_gone(pid):
    """True once the process holds nothing any more: a kill is not done when it was sent."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] in "ZX"
    except OSError:
        return True


def kill_one(millrace, role, rng):
    if role == "up":
        pid = millrace.pid("up")
        kill9(pid)
        wait_for(lambda: is_gone(pid), every_s=0.005)  # or `up` may still find it, and leave it to it
        millrace.up("--bare")
        return
    processes = millrace.processes(role)
    if processes:
        kill9(rng.choice(processes)["pid"])


def running(millrace):
    return millrace.cli("status", check=False).returncode == 0


def check(millrace, log):
    """The ledger against what clients saw. Returns what was compared."""
    records = [r for r in millrace.records() if r["client_request_id"]]  # the first question of `up` has none
    by_id = {r["request_id"]: r for r in records}
    assert len(by_id) == len(records), "a request has two records"
    by_marker = {}
    for record in records:
        by_marker.setdefault(record["client_request_id"], []).append(record)
    known = {seen.marker for seen in log}
    finals = 0
    for marker, mine in by_marker.items():
        assert marker in known, f"a record without a request: {mine}"
        assert len(mine) == 1, f"{marker}: {len(mine)} records"
    for seen in log:
        mine = by_marker.get(seen.marker, [])
        if seen.status == 200 and seen.answered:
            assert mine, f"{seen.marker} was answered and has no record"
        for record in mine:
            if seen.usage is not None:
                finals += 1
                assert record["status"] == "completed", (seen.marker, record)
                assert record["input_tokens"] == seen.usage["prompt_tokens"], (seen.marker, record, seen.usage)
                assert record["output_tokens"] == seen.usage["completion_tokens"], (seen.marker, record, seen.usage)
            else:
                assert record["status"] in ("failed", "cancelled") or seen.status == 200, (seen.marker, record)
            made = Upstream.made.get(seen.marker, 0) if seen.model == "mock" else 12
            assert seen.received <= record["output_tokens"] <= made, (seen.marker, seen.received, record, made)
    return len(records), finals


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    kills = 100 if os.environ.get("MILLRACE_LONG") else 20
    print(f"seed {seed}, {kills} kills", flush=True)
    rng = random.Random(seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Millrace(sys.argv[1]) as millrace:
        millrace.cli("endpoint", "create", "mock", "--upstream", f"http://127.0.0.1:{server.server_port}/v1",
                     "--upstream-model", "m")
        log, stop = [], threading.Event()
        threads = [threading.Thread(target=client, args=(millrace, i, random.Random(rng.random()), stop, log))
                   for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for i in range(kills):
            time.sleep(rng.uniform(0.1, 0.6))
            role = ROLES[i % len(ROLES)] if i < len(ROLES) else rng.choice(ROLES)
            wait_for(lambda: running(millrace), 30, 0.1)
            if rng.random() < 0.5:  # what serves again; else what may still be getting up
                before = len(log)
                wait_for(lambda: any(seen.usage for seen in log[before:]), 30, 0.05)
            print(f"kill {i}: {role}", flush=True)
            kill_one(millrace, role, rng)
        wait_for(lambda: running(millrace), 30, 0.1)
        time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join()
        time.sleep(1.5)  # the drain runs every 100 ms, and first takes what dead gateways left
        records, finals = check(millrace, log)
        print(f"{len(log)} requests, {records} records, {finals} with final usage: equal")
        assert finals > kills, "too little load to prove anything"


if __name__ == "__main__":
    main()
