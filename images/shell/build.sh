#!/bin/bash
# build.sh ROOT: a root file system with a shell that is reached by ssh: OpenSSH, bash, Python, git and small tools.
# Idempotent: a finished ROOT has ROOT/etc/millrace-image.json. Does not need root; touches nothing else of the host.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=${1:?usage: build.sh ROOT}
STAMP=etc/millrace-image.json
PACKAGES="libc-bin bash coreutils util-linux grep sed mawk findutils diffutils tar gzip xz-utils procps less file
          ncurses-base ncurses-bin python3 git vim-tiny openssh-server openssh-client curl"

if [ -s "$ROOT/$STAMP" ]; then
  "$HERE/../environment/finish.sh" "$ROOT" "$HERE"
  printf 'image: %s is complete\n' "$ROOT" >&2
  exit 0
fi
mkdir -p "$(dirname "$ROOT")"
W=$(mktemp -d "$ROOT.XXXXXX")
trap 'rm -rf "$W"' EXIT
"$HERE/../debian_root.sh" "$W/root" $PACKAGES
"$HERE/../environment/finish.sh" "$W/root" "$HERE"
"$HERE/../environment/describe.sh" "$W/root" shell
chmod 755 "$W/root"
rm -rf "$ROOT"
mv "$W/root" "$ROOT"                     # the stamp comes with the rename
printf 'image: %s is ready, %s\n' "$ROOT" "$(du -sh "$ROOT" | cut -f1)" >&2
