#!/usr/bin/env python3
"""Holds console/files.txt against the folder: every file that pages load is listed once, and every import is there."""
import pathlib
import re
import sys

NOT_SERVED = {"README.md", "files.txt", "core/types.js"}
LOADS = re.compile(r"""(?:\bfrom|\bimport)\s+["'](\.[^"']+)["']|(?:src|href)="([^"#:]+)\"""")


def main(root):
    root = pathlib.Path(root)
    listed = (root / "files.txt").read_text().split()
    there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    served = {name for name in there - NOT_SERVED if name.endswith((".js", ".css", ".html", ".svg"))}
    faults = [f"files.txt lacks {name}" for name in sorted(served - set(listed))]
    faults += [f"files.txt lists {name}, which does not exist" for name in sorted(set(listed) - there)]
    faults += [f"files.txt lists {name} twice" for name in sorted(set(listed)) if listed.count(name) > 1]
    for name in sorted(served):
        if not name.endswith((".js", ".html")):
            continue
        for match in LOADS.finditer((root / name).read_text()):
            target = ((root / name).parent / match[1] if match[1] else root / match[2]).resolve()  # addresses are the page's
            if target not in {(root / other).resolve() for other in listed}:
                faults.append(f"{name} loads {match[1] or match[2]}, which files.txt does not list")
    print("\n".join(faults) or f"console: {len(listed)} files, all there")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
