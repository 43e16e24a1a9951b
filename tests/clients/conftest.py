import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--millrace", required=True)


@pytest.fixture(scope="session")
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
