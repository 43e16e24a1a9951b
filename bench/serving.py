"""Sections of bench/run about replicas: cold start, rolling change, routing. The real engine and model."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import tempfile
import threading
import time

from harness import Millrace, wait_for
from load import PROGRAM, QUICK, ROOT, UnixConnection, say

TRACE = ROOT / "tests/data/mooncake/conversation_blocks.jsonl"
QUESTION = {"messages": [{"role": "user", "content": "Name the capital of France."}], "temperature": 0, "max_tokens": 4,
            "stream": True}


def first_token(connection, body, key="x"):
    """Seconds from the request to the first text; the status must be 200."""
    begin = time.monotonic()
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"authorization": "Bearer " + key, "content-type": "application/json"})
        answer, text = connection.getresponse(), b""
        if answer.status != 200:
            answer.read()
            return None
        while not re.search(rb'"content":"[^"]', text):
            piece = answer.read1(65536)
            assert piece, text
            text += piece
        return time.monotonic() - begin


def bare_sandbox(engine_pid):
    """What starts the same engine in a sandbox with the same files (the platform's own takes its arguments out of sight), and the
    processors that it may use. The place of /data is left open."""
    proc = pathlib.Path(f"/proc/{engine_pid}")
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv"]
    for line in (proc / "mountinfo").read_text().splitlines():
        source, target = line.split()[3:5]
        if line.split(" - ")[1].split()[0] not in ("proc", "tmpfs", "devtmpfs", "devpts", "mqueue") and target not in ("/", "/data"):
            words += ["--ro-bind", source, target]
    for link in ("bin", "lib", "lib64", "sbin"):
        words += ["--symlink", "usr/" + link, "/" + link]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", "", "/data", "--chdir", "/"]
    for variable in (proc / "environ").read_bytes().decode().split("\0")[:-1]:
        words += ["--setenv", *variable.split("=", 1)]
    return words + ["--", *(proc / "cmdline").read_bytes().decode().split("\0")[:-1]], os.sched_getaffinity(engine_pid)


def bare_start(argv, cpus):
    """Seconds from exec of the sandbox to the first text of the engine in it."""
    with tempfile.TemporaryDirectory(prefix="millrace-bare-") as data:
        os.chmod(data, 0o777)
        here = list(argv)
        here[here.index("/data") - 1] = data
        begin = time.monotonic()
        with subprocess.Popen(here, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=lambda: os.sched_setaffinity(0, cpus)) as started:
            try:
                while time.monotonic() - begin < 120:
                    with contextlib.suppress(OSError, http.client.HTTPException):
                        if first_token(UnixConnection(data + "/engine.sock"), QUESTION) is not None:
                            return time.monotonic() - begin
                    time.sleep(0.002)
                raise AssertionError("the bare engine did not start")
            finally:
                started.kill()


def state_of(running, name):
    return running.json("endpoint", "show", name)["state"]


def coldstart_section(_):
    rounds = 3 if QUICK else 9
    with Millrace(PROGRAM) as running:
        running.cli("endpoint", "delete", "smollm2-embed")
        engine = wait_for(lambda: [p for p in running.processes("engine")][:1], 30)[0]["pid"]
        argv, cpus = bare_sandbox(engine)
        running.cli("endpoint", "scale", "smollm2", "--min", "0", "--max", "1", "--idle", "1", "--no-wait")
        bare, ours = [], []
        body = {**QUESTION, "model": "smollm2"}
        for i in range(rounds):
            say(f"coldstart: round {i + 1} of {rounds}")
            wait_for(lambda: state_of(running, "smollm2") == "sleeping", 60)
            wait_for(lambda: not running.processes("engine"), 60)
            bare.append(bare_start(argv, cpus))
            ours.append(first_token(running.connect(120), body, running.env["OPENAI_API_KEY"]))
    print("| | from nothing to the first token, median (least to most) |")
    print("|---|--:|")
    for name, values in (("bare engine: exec of a sandbox with the same files", bare), ("Millrace: request to a sleeping endpoint", ours)):
        print(f"| {name} | {statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f}) |")
    print(f"\nThrough Millrace: {statistics.median(b / a for a, b in zip(bare, ours)):.3f}x (median of pairs, {rounds} rounds).\n")


def rollout_section(_):
    """Changes of parameters under load: requests that failed."""
    outcomes, ending = [], threading.Event()
    with Millrace(PROGRAM) as running:
        def client():
            while not ending.is_set():
                try:
                    outcomes.append(running.chat(max_tokens=8)[0])
                except OSError as error:
                    outcomes.append(repr(error))
        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        took = []
        for slots in ((2,) if QUICK else (2, 3, 4, 2)):
            begin = time.monotonic()
            running.cli("endpoint", "update", "smollm2", "--slots", str(slots))
            took.append(time.monotonic() - begin)
            time.sleep(2)
        ending.set()
        for thread in threads:
            thread.join()
    failed = [o for o in outcomes if o != 200]
    print(f"{len(took)} rolling changes of `--slots` under 4 clients: {len(outcomes)} requests, {len(failed)} failed; "
          f"a change took {statistics.median(took):.1f} s (median).\n")


def conversations(count):
    """The trace's first conversations of three requests or more (equal first two blocks), all their requests in order."""
    with open(TRACE, encoding="utf-8") as lines:
        rows = [json.loads(line)["hash_ids"] for line in lines]
    members = {}
    for blocks in rows:
        if len(blocks) > 1:
            members.setdefault(blocks[1], []).append(blocks)
    chosen = [first for first, asked in members.items() if len(asked) >= 3][:count]
    return [blocks for blocks in rows if len(blocks) > 1 and blocks[1] in set(chosen)]


def prompt(blocks, words_a_block, most_blocks):
    """Each block of 512 tokens as a few words that follow from its id alone."""
    words = ("river mill wheel stone water grain flour wood iron lake road field bread stream dam gear sluice bank tower "
             "rope").split()
    return "".join(" ".join(random.Random(n).choices(words, k=words_a_block)) + ". " for n in blocks[:most_blocks])


def metric(text, name):
    return {labels: float(value) for labels, value in re.findall(rf"^{name}{{([^}}]*)}} (\S+)$", text, re.M)}


def replay(running, asked, at_once):
    """Each prompt in the trace's order, at most `at_once` on their way; seconds to the first token of each."""
    waiting, lock, times = list(asked), threading.Lock(), []

    def client():
        while True:
            with lock:
                if not waiting:
                    return
                text = waiting.pop(0)
            body = {"model": "chat", "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 4,
                    "stream": True}
            took = first_token(running.connect(300), body, running.env["OPENAI_API_KEY"])
            with lock:
                times.append(took)
    threads = [threading.Thread(target=client) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def routing_section(_):
    count = 8 if QUICK else 24
    asked = [prompt(blocks, 8, 60) for blocks in conversations(count)]
    print("| routing | hit ratio, blocks (gateway's own) | cached tokens (engine's) | imbalance | first token, mean | p50 | p99 |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for routing in ("round-robin", "cost"):
        with Millrace(PROGRAM) as running:
            running.cli("endpoint", "scale", "smollm2", "--replicas", "0", "--no-wait")
            running.cli("endpoint", "delete", "smollm2-embed")
            running.cli("endpoint", "create", "chat", "--model", "smollm2", "--replicas", "2", "--threads", "1", "--slots", "4",
                        "--context", "8192", "--routing", routing)
            wait_for(lambda: running.json("endpoint", "show", "chat")["ready_replicas"] == 2, 60)
            say(f"routing: {routing}, {len(asked)} prompts")
            times = replay(running, asked, 4)
            text = running.request("GET", "/metrics", key=running.env["MILLRACE_KEY"])[2]
            blocks = metric(text, "millrace_routing_blocks_total")
            imbalance = next(iter(metric(text, "millrace_routing_imbalance").values()))
            hit = sum(v for k, v in blocks.items() if '"hit"' in k) / sum(blocks.values())
            # Usage is drained a moment later.
            records = wait_for(lambda: (r := [r for r in running.records() if r["endpoint"] == "chat"]) and
                               len(r) == len(asked) and r, 20)
            cached = sum(r["cached_tokens"] for r in records) / sum(r["input_tokens"] for r in records)
        times.sort()
        print(f"| {routing} | {hit:.3f} | {cached:.3f} | {imbalance:.2f} | {statistics.mean(times):.2f} s | "
              f"{times[len(times) // 2]:.2f} s | {times[int(len(times) * 0.99)]:.2f} s |", flush=True)
    print(f"\n2 replicas of SmolLM2-135M on this machine, 1 thread, 4 slots and 2,048 tokens a slot each; all {len(asked)} "
          f"requests of the first {count} conversations of three or more in the Mooncake conversation trace, in its order, 4 at "
          "once; a block of 512 tokens shrunk to 8 words (equal ids, equal words), at most 60 blocks.\n")
