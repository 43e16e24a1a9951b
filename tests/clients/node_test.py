"""The clients for Node: each file of Node tests is one test here."""
import pytest


@pytest.mark.parametrize("name", ["openai", "mistral", "anthropic"])
def test_node(node, name):
    done = node(f"{name}_test.mjs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 0" not in done.stdout, "no test ran"
