#!/bin/bash
# build.sh ROOT: a root file system with JupyterLab (wheels of PyPI, pinned by hash) on Debian's Python.
# Idempotent: a finished ROOT has ROOT/etc/millrace-image.json. Does not need root; touches nothing else of the host.
# Needs on the host, besides Debian's own tools: pip.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=${1:?usage: build.sh ROOT}
STAMP=etc/millrace-image.json
PACKAGES="libc-bin bash coreutils util-linux grep sed mawk findutils diffutils tar gzip xz-utils procps less file
          ncurses-base ncurses-bin python3 libstdc++6 git vim-tiny curl"

say() { printf 'image: %s\n' "$*" >&2; }
die() { printf 'image: %s\n' "$*" >&2; exit 1; }
if [ -s "$ROOT/$STAMP" ]; then
  "$HERE/../environment/finish.sh" "$ROOT" "$HERE"
  say "$ROOT is complete"
  exit 0
fi
[ "$(uname -m)" = x86_64 ] || die "the pinned wheels are for x86_64, this is $(uname -m): make a requirements.txt for it (its first lines tell how)"
PIP=""
for python in /usr/bin/python3 python3; do
  if "$python" -m pip --version > /dev/null 2>&1; then PIP="$python -m pip"; break; fi
done
[ -n "$PIP" ] || die "looked for pip, found none: apt-get install python3-pip"

mkdir -p "$(dirname "$ROOT")"
W=$(mktemp -d "$ROOT.XXXXXX")
trap 'rm -rf "$W"' EXIT
"$HERE/../debian_root.sh" "$W/root" $PACKAGES
[ -x "$W/root/usr/bin/python3.11" ] || die "the host's suite has no Python 3.11, for which the wheels are pinned"
LIB=$W/root/usr/lib/millrace
say "installing JupyterLab ($(grep -c '^[a-z].*==' "$HERE/requirements.txt") wheels)"
$PIP install -q --disable-pip-version-check --no-warn-conflicts --root-user-action=ignore --no-compile --no-deps --require-hashes \
  --only-binary :all: --python-version 3.11.2 --implementation cp --target "$LIB/jupyter" -r "$HERE/requirements.txt" >&2 ||
  die "could not install the wheels from PyPI (see above)"
rm -rf "$LIB/jupyter/bin"                # scripts that name the host's Python; `python3 -m` does the same
# Nobody is asked whether news may be fetched: nothing outside is reached.
mkdir -p "$LIB/jupyter/etc/jupyter/labconfig"
printf '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}\n' \
  > "$LIB/jupyter/etc/jupyter/labconfig/page_config.json"
"$HERE/../environment/finish.sh" "$W/root" "$HERE"
"$HERE/../environment/describe.sh" "$W/root" jupyter
chmod 755 "$W/root"
rm -rf "$ROOT"
mv "$W/root" "$ROOT"                     # the stamp comes with the rename
say "$ROOT is ready, $(du -sh "$ROOT" | cut -f1)"
