#!/usr/bin/env python3
"""Runs clang-tidy over the files of a build folder, two at a time; a file that passed and has not changed, its
headers included, is skipped.

usage: tidy.py BUILD_FOLDER [FILE...]
"""
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def dependencies(build):
    """Object file to the headers of ours that it was built from, as ninja recorded them."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True).stdout
    found, current = {}, None
    for line in listing.splitlines():
        if line and not line.startswith(" "):
            current = found.setdefault(line.split(":")[0], [])
        elif line.strip():
            path = (build / line.strip()).resolve()
            if path.is_relative_to(ROOT):
                current.append(path)
    return found


def fingerprint(entry, headers):
    """Changes with the command, the checks, the file, and every header it includes; None if those are unknown."""
    if not headers:
        return None
    digest = hashlib.sha256(entry["command"].encode() + (ROOT / ".clang-tidy").read_bytes())
    for path in sorted({*headers, pathlib.Path(entry["file"])}):
        digest.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def tidy(build, file):
    done = subprocess.run(["clang-tidy-19", "--quiet", "-p", build, file], capture_output=True, text=True)
    return done.returncode, done.stdout


def main(build, *only):
    build = pathlib.Path(build).resolve()
    passed = build / "tidy"
    passed.mkdir(exist_ok=True)
    recorded = dependencies(build)
    wanted = {str(pathlib.Path(name).resolve()) for name in only}
    todo = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if wanted and entry["file"] not in wanted or pathlib.Path(entry["file"]).is_relative_to(build):
            continue
        key = fingerprint(entry, recorded.get(re.search(r" -o (\S+)", entry["command"])[1], []))
        if key is None or not (passed / key).exists():
            todo[entry["file"]] = key
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = {pool.submit(tidy, build, file): (file, key) for file, key in todo.items()}
        for done in concurrent.futures.as_completed(running):
            (code, output), (file, key) = done.result(), running[done]
            if code:
                failed += 1
                print(output, flush=True)
            elif key:
                (passed / key).touch()
    print(f"clang-tidy: {len(todo)} files looked at, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
