"""What every environment does before its program starts. Runs inside the sandbox, as its user."""
import os
import pathlib
import stat

SOCKET = "/run/millrace/env.sock"
HOME = pathlib.Path("/home/user")
PUBLIC_KEY = "MILLRACE_SSH_PUBLIC_KEY"  # may come in by ssh
KEY_FILE = pathlib.Path("/run/secrets/api-key")


def write_private(path, text):
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def platform_variables():
    """The variables with which clients find the platform; also kept in ~/.config/millrace/env for any shell."""
    variables = {name: value for name, value in os.environ.items()
                 if name.endswith("_BASE_URL") or name.startswith("MILLRACE_") and name != PUBLIC_KEY}
    if KEY_FILE.exists():
        key = KEY_FILE.read_text().strip()
        variables |= {"OPENAI_API_KEY": key, "ANTHROPIC_API_KEY": key}
    return variables


def prepare():
    """Makes the home fit to work in; answers the variables, which are in the environment as well."""
    os.umask(0o077)
    variables = platform_variables()
    os.environ.update(variables, HOME=str(HOME), USER="user", LOGNAME="user", SHELL="/bin/bash")
    lines = "".join(f"export {name}='{value}'\n" for name, value in sorted(variables.items()))
    write_private(HOME / ".config/millrace/env", lines)
    os.chdir(HOME)
    try:
        if stat.S_ISSOCK(os.lstat(SOCKET).st_mode):
            os.unlink(SOCKET)
    except FileNotFoundError:
        pass
    return variables
