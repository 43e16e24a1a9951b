"""One installation for all clients: its settings are in the environment, as after `eval "$(millrace env)"`."""
import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--millrace", required=True)
    parser.addoption("--node", required=True)
    parser.addoption("--node-packages", required=True)


@pytest.fixture(scope="session", autouse=True)
def millrace(request):
    with harness.Millrace(request.config.getoption("--millrace")) as running:
        os.environ.update(running.env)
        os.environ.pop("MILLRACE_HOME", None)
        yield running


@pytest.fixture(scope="session")
def model(millrace):
    return millrace.env["MILLRACE_MODEL"]


@pytest.fixture(scope="session")
def embed_model(millrace):
    return millrace.env["MILLRACE_EMBED_MODEL"]


@pytest.fixture(scope="session")
def viewer_key(millrace):
    return millrace.key("--role", "viewer")["key"]


@pytest.fixture(scope="session")
def poor_key(millrace):
    """A key of a tenant that was never given a quota."""
    millrace.cli("tenant", "create", "poor")
    millrace.cli("project", "create", "poor-project", "--tenant", "poor")
    return millrace.key(project="poor-project")["key"]


@pytest.fixture(scope="session")
def node(request, millrace):
    """Runs one file of Node tests beside its packages, in the environment of the installation."""
    option = request.config.getoption

    def run(name):
        folder = pathlib.Path(option("--node-packages")) / "tests"
        folder.mkdir(exist_ok=True)
        here = pathlib.Path(__file__).resolve().parent
        for file in ("support.mjs", name):  # a module's packages are looked for above the file that imports them
            (folder / file).write_bytes((here / file).read_bytes())
        environment = {**os.environ, "MILLRACE_PROGRAM": millrace.program, "MILLRACE_TEST_HOME": millrace.home}
        return subprocess.run([option("--node"), "--test", "--test-reporter=spec", str(folder / name)], env=environment,
                              capture_output=True, text=True, timeout=150)

    return run


def figures(usage):
    """(input, cached, output, energy_j, co2e_g, micro-euro) of an answer's usage in any dialect, as a record counts them."""
    def count(*names):
        return next((usage[name] for name in names if usage.get(name) is not None), 0)

    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached = details.get("cached_tokens") or 0
    reads = usage.get("cache_read_input_tokens")  # Anthropic's input_tokens leave out what was read from the cache
    own = usage["millrace"]
    return (count("prompt_tokens", "input_tokens") + (reads or 0), cached if reads is None else reads,
            count("completion_tokens", "output_tokens"), own["energy_j"], own["co2e_g"], round(own["cost_eur"] * 1e6))


@pytest.fixture(scope="session")
def same_as_record(millrace):
    """Holds an answer's id and usage against its usage record."""
    def check(request_id, usage):
        record = millrace.record(request_id)
        assert record["status"] == "completed" and record["basis"] == "modelled"
        assert figures(usage) == tuple(record[name] for name in ("input_tokens", "cached_tokens", "output_tokens",
                                                                 "energy_j", "co2e_g", "cost_microeur"))
        assert (usage["millrace"]["site"], usage["millrace"]["zone"]) == (record["site"], record["zone"])
        assert record["input_tokens"] > 0 and record["energy_j"] > 0

    return check


@pytest.fixture(scope="session")
def idle_after(millrace):
    """Calls `leave` while the engine works, and returns the seconds until it no longer does."""
    def run(begin, leave):
        harness.wait_for(lambda: not millrace.engine_is_busy())
        begin()
        harness.wait_for(millrace.engine_is_busy, every_s=0.01)
        leave()
        left = time.monotonic()
        harness.wait_for(lambda: not millrace.engine_is_busy(), every_s=0.01)
        return time.monotonic() - left

    return run
