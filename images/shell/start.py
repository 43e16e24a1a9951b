#!/usr/bin/python3
"""A bridge from the environment's unix socket to sshd: one sshd for each connection, by the user of the sandbox.

The gateway asks `GET / HTTP/1.1` with `Upgrade: millrace-stream`; after 101 the connection is sshd's. By
`POST /.millrace/notice` it has a line written to every terminal.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, "/usr/lib/millrace")
import common  # noqa: E402

DATA = pathlib.Path("/data")
HEAD_MAX = 8192
NOTICE_MAX = 500
PATIENCE_S = 10
CONFIG = """\
HostKey /data/ssh_host_key
AuthorizedKeysFile /data/authorized_keys
AllowUsers user
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
X11Forwarding no
AllowAgentForwarding yes
PrintMotd no
PrintLastLog no
PidFile none
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""


def configure(variables):
    common.write_private(DATA / "ssh_host_key", pathlib.Path("/run/secrets/ssh-host-key").read_text())
    common.write_private(DATA / "authorized_keys", os.environ[common.PUBLIC_KEY] + "\n")
    values = " ".join(f'"{name}={value}"' for name, value in sorted(variables.items()))
    common.write_private(DATA / "sshd_config", CONFIG + (f"SetEnv {values}\n" if values else ""))


def read_head(connection):
    """One byte at a time: what follows the head belongs to sshd."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(head) >= HEAD_MAX:
            return None
        head += byte
    return head.decode("latin-1").lower().split("\r\n")


def write_to_terminals(text):
    line = "".join(c for c in text if c.isprintable())
    for name in filter(str.isdigit, os.listdir("/dev/pts")):
        try:
            terminal = os.open(f"/dev/pts/{name}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(terminal, f"\r\n{line}\r\n".encode())
            os.close(terminal)
        except OSError:
            pass  # it was closed meanwhile, or nobody reads


def take_notice(connection, head):
    lengths = [line.split(":")[1] for line in head if line.startswith("content-length:")]
    size = min(int(lengths[0]), NOTICE_MAX) if lengths else 0
    text = b""
    while len(text) < size and (piece := connection.recv(size - len(text))):
        text += piece
    write_to_terminals(text.decode(errors="replace"))
    connection.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")


def serve(connection):
    connection.settimeout(PATIENCE_S)
    head = read_head(connection)
    if head is None:
        return
    if head[0].startswith("post /.millrace/notice "):
        take_notice(connection, head)
        return
    if not head[0].startswith("get ") or "upgrade: millrace-stream" not in head:
        connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\nupgrade: millrace-stream\r\nconnection: upgrade, close\r\n"
                           b"content-length: 0\r\n\r\n")
        return
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: millrace-stream\r\n\r\n")
    connection.settimeout(None)
    os.dup2(connection.fileno(), 0)
    os.dup2(connection.fileno(), 1)
    os.execv("/usr/sbin/sshd", ["/usr/sbin/sshd", "-i", "-e", "-f", "/data/sshd_config"])


def main():
    configure(common.prepare())
    subprocess.run(["/usr/sbin/sshd", "-t", "-f", "/data/sshd_config"], check=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children leave nothing behind
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(common.SOCKET)
    listener.listen(64)
    print("shell: ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(connection)
            except OSError as error:
                print(f"shell: {error}", file=sys.stderr, flush=True)
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()
