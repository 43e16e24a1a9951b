"""Random faults while jobs run: afterwards every job is in its true final state and in the ledger once for each run.

    work_chaos_test.py PROGRAM [SEED]       200 faults; the seed is printed and replays the choices

Faults: kill -9 of server and up, of a job's supervisor, of the job itself; stop and cont of each; a full scratch; steps of the
wall clock of Millrace's own processes, supervisors included, by seconds, an hour and a day. Each job notes in its output folder
when a run of it begins and ends, by the machine's uptime, which is the truth that records are held against.
"""
import collections
import datetime
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Millrace, WallClock, kill9, wait_for  # noqa: E402

FAULTS = int(os.environ.get("MILLRACE_FAULTS", "200"))
CONFIG = """
[[node]]
name = "n"
count = 3
cpus = 4
memory = "4GiB"
accelerators = 4
accel = "fake"
"""
NOTE = "note() { read up rest < /proc/uptime; echo $1 $MILLRACE_RUN $up $2 >> $MILLRACE_OUTPUT/notes; }; note begin; "
STEPS_S = (10, -10, 3600, -3600, 86400, -86400)
LIMIT_S = 2
FIRST_DAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=365)  # further back than any steps go
UPTIME_S = 0.01  # what /proc/uptime is exact to
# What a job does, and the states that it may end in when its own processes are left in peace.
KINDS = {
    "ok": ({"command": ["sh", "-c", NOTE + "sleep $0; note end 0", "0.4"]}, "succeeded"),
    "fails": ({"command": ["sh", "-c", NOTE + "sleep 0.2; note end 3; exit 3"]}, "failed"),
    "slow": ({"command": ["sh", "-c", NOTE + "sleep 60"], "time_limit": f"{LIMIT_S}s"}, "timed_out"),
    "fills": ({"command": ["sh", "-c", NOTE + "head -c 20000000 /dev/zero > /tmp/x; code=$?; note end $code; exit $code"],
               "scratch": "4MiB"}, "failed"),
    "gang": ({"command": ["sh", "-c", NOTE + "sleep 0.5; note end 0"], "nodes": 2, "accelerators": 2}, "succeeded"),
}
OVER = {"succeeded", "failed", "cancelled", "timed_out", "lost"}


def is_running(millrace):
    return millrace.cli("status", check=False).returncode == 0


def submit(millrace, rng, jobs):
    kind = rng.choice(list(KINDS))
    spec = {"cpus": 0.2, "memory": "32MiB", "grace": "1s", **KINDS[kind][0]}
    if rng.random() < 0.3:
        spec["retries"] = 2
    done = subprocess.run([millrace.program, "job", "submit", "-", "--json", "--no-workdir", "--home", millrace.home], input=json.dumps(spec),
                          capture_output=True, text=True, timeout=60, cwd="/")
    if done.returncode == 0:
        jobs[json.loads(done.stdout)["id"]] = kind


def supervisors(millrace):
    """{supervisor pid: pids below it} of all jobs."""
    parents = collections.defaultdict(list)
    names = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
            line = (stat.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        pid, parent = int(stat.parent.name), int(text.rsplit(") ", 1)[1].split()[1])
        parents[parent].append(pid)
        names[pid] = line
    found = {}
    for pid, line in names.items():
        if b"supervise" in line and any(millrace.home.encode() + b"/runs/" in part for part in line):
            below, todo = [], [pid]
            while todo:
                todo += parents[(one := todo.pop())]
                below += parents[one]
            found[pid] = below
    return found


def fault(millrace, clock, rng):
    """Does one; its name."""
    what = rng.choice(["server", "up", "supervisor", "child", "pause supervisor", "pause child", "pause server", "clock", "none"])
    if what == "clock":
        clock.step(rng.choice(STEPS_S))
    elif what == "server":
        kill9(millrace.pid("server"))
    elif what == "up":
        kill9(millrace.pid("up"))
        time.sleep(0.2)
        millrace.up("--bare")
    elif what == "pause server":
        pid = millrace.pid("server")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(rng.uniform(0.05, 0.5))
        os.kill(pid, signal.SIGCONT)
    elif what != "none":
        all_of_them = supervisors(millrace)
        if not all_of_them:
            return "none"
        supervisor = rng.choice(sorted(all_of_them))
        below = all_of_them[supervisor]
        pid = supervisor if "supervisor" in what or not below else below[-1]
        try:
            if what.startswith("pause"):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(rng.uniform(0.05, 0.5))
                os.kill(pid, signal.SIGCONT)
            else:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return "none"
    return what


def notes_of(millrace, job):
    """(what, run, uptime, code where it ended) of each."""
    path = pathlib.Path(millrace.home, "work", job, "output", "notes")
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(what, int(run), float(uptime), int(code[0]) if code else None) for what, run, uptime, *code in lines]


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def check_times(job, nodes, records, notes, shown, longest_s):
    """A run takes as long as it took, whatever the clock was set to meanwhile, and is there once, and while no other is."""
    for run in shown["runs"]:
        assert FIRST_DAY <= at(run["started_at"]) <= at(run["ended_at"]), (job, run)
    lost = {run["number"] for run in shown["runs"] if run["outcome"] == "lost"}
    for record in records:
        run = int(record["client_request_id"].rsplit(".", 1)[1])
        took_s = (at(record["ended_at"]) - at(record["started_at"])).total_seconds()
        seen = sorted(uptime for _, number, uptime, _ in notes if number == run)
        # Of a gang that lost a supervisor, what the other tasks' supervisors tell counts.
        may_lack_a_task = nodes > 1 and record["status"] != "completed"
        assert 0 <= took_s <= longest_s, (job, record, longest_s)
        least_s = seen[-1] - seen[0] - UPTIME_S if seen and not may_lack_a_task else 0.0
        # What the supervisor kept last: half of a life that was longer than a second. It may be killed after the job's last
        # note and before the job's end.
        if run in lost:
            least_s = least_s / 2 - 1.0
        assert took_s >= least_s, (job, record, notes, shown["runs"])
        if shown["state"] == "timed_out" and record is records[-1]:
            assert took_s >= LIMIT_S, (job, record)
    for run in sorted({number for _, number, _, _ in notes})[1:]:
        before = max(uptime for _, number, uptime, _ in notes if number < run)
        begun = min(uptime for _, number, uptime, _ in notes if number == run)
        assert begun >= before, f"{job}: two runs at once: {notes}"


def check(millrace, jobs, since, undisturbed):
    records = collections.defaultdict(list)
    for record in millrace.records():
        if record["endpoint"].startswith("job/"):
            records[record["endpoint"].removeprefix("job/")].append(record)
    assert set(records) <= set(jobs), "a record of a job that nobody submitted"
    counts = collections.Counter()
    for job, kind in jobs.items():
        shown = millrace.job(job)
        counts[shown["state"]] += 1
        assert shown["state"] in OVER, shown
        mine = sorted(records[job], key=lambda r: int(r["client_request_id"].rsplit(".", 1)[1]))
        ids = [r["request_id"] for r in mine]
        assert len(set(ids)) == len(ids), f"{job}: a run is in the ledger twice"
        assert len(mine) <= shown["attempts"], (job, shown, mine)
        total = sum(r["accelerator_s"] for r in mine)
        assert abs(total - shown["accelerator_s"]) < 1e-6, (job, total, shown)
        notes = notes_of(millrace, job)
        nodes = KINDS[kind][0].get("nodes", 1)
        check_times(job, nodes, mine, notes, shown, time.monotonic() - since)
        begun = {run for what, run, _, _ in notes if what == "begin"}
        ended = {(run, code) for what, run, _, code in notes if what == "end"}
        assert begun <= set(range(1, shown["attempts"] + 1)), (job, notes, shown)
        starts = collections.Counter(run for what, run, _, _ in notes if what == "begin")
        assert all(count <= nodes for count in starts.values()), f"{job}: a run was started twice: {notes}"
        if shown["state"] == "succeeded":
            assert (shown["attempts"], 0) in ended, f"{job} succeeded without having ended: {notes} {shown}"
            assert shown["exit_code"] == 0
            assert mine and mine[-1]["client_request_id"] == f"{job}.{shown['attempts']}", (job, mine, shown)
        if shown["state"] == "failed" and shown["exit_code"] == 3:
            assert (shown["attempts"], 3) in ended, (job, notes, shown)
        if undisturbed:
            assert shown["state"] == KINDS[kind][1], (job, kind, shown)
    return counts


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}, {FAULTS} faults", flush=True)
    rng = random.Random(seed)
    with WallClock() as clock, Millrace(sys.argv[1], "--bare", config=CONFIG, environment=clock.environment) as millrace:
        since = time.monotonic()
        for role in ("up", "server", "gateway"):
            assert clock.reaches(millrace.pid(role)), role
        calm = {}
        for kind in KINDS:
            spec = {"cpus": 0.2, "memory": "32MiB", "grace": "1s", **KINDS[kind][0]}
            calm[millrace.submit(spec)] = kind
        wait_for(lambda: any(clock.reaches(pid) for pid in supervisors(millrace)))
        for job in calm:
            millrace.wait_job(job, OVER, 60)
        check(millrace, calm, since, undisturbed=True)
        jobs = dict(calm)
        done = collections.Counter()
        for number in range(FAULTS):
            wait_for(lambda: is_running(millrace), 60, 0.05)
            for _ in range(rng.randrange(3)):
                submit(millrace, rng, jobs)
            done[fault(millrace, clock, rng)] += 1
            if number % 20 == 19:
                print(f"{number + 1} faults, {len(jobs)} jobs", flush=True)
        wait_for(lambda: is_running(millrace), 60, 0.1)
        for job in jobs:
            millrace.wait_job(job, OVER, 180)
        counts = check(millrace, jobs, since, undisturbed=False)
        print(f"faults {dict(done)}; {len(jobs)} jobs: {dict(counts)}; every one settled truly")


if __name__ == "__main__":
    main()
