#!/usr/bin/python3
"""JupyterLab on a unix socket. Only the gateway reaches it, and has asked who comes."""
import os
import sys

LIB = "/usr/lib/millrace"
JUPYTER = LIB + "/jupyter"
sys.path.insert(0, LIB)
import common  # noqa: E402

common.prepare()
os.environ.update({
    "PYTHONPATH": JUPYTER,
    "PYTHONDONTWRITEBYTECODE": "1",  # its own folder is read-only
    "JUPYTER_PATH": JUPYTER + "/share/jupyter",
    "JUPYTER_CONFIG_PATH": JUPYTER + "/etc/jupyter",
    "JUPYTERLAB_DIR": JUPYTER + "/share/jupyter/lab",
    "JUPYTER_RUNTIME_DIR": "/data/runtime",
    "IPYTHONDIR": str(common.HOME / ".ipython"),
})
os.execv("/usr/bin/python3", ["python3", "-m", "jupyterlab", "--config", LIB + "/jupyter_server_config.py"])
