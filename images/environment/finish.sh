#!/bin/bash
# finish.sh ROOT FOLDER: puts into the root file system of an environment what is ours of it (FOLDER is images/<kind>), and
# the links that alternatives and maintainer scripts would have made. Also for an image that is complete already, so that
# one that was made by an earlier recipe becomes as this one makes it; what runs in it is not disturbed.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=${1:?usage: finish.sh ROOT FOLDER}
FOLDER=${2:?usage: finish.sh ROOT FOLDER}

link() { [ "$(readlink "$ROOT/usr/bin/$2")" = "$1" ] || ln -sfn "$1" "$ROOT/usr/bin/$2"; }
put() {  # MODE FILE NAME
  cmp -s "$2" "$ROOT/usr/lib/millrace/$3" && return
  install -m "$1" "$2" "$ROOT/usr/lib/millrace/.$3.new"
  mv "$ROOT/usr/lib/millrace/.$3.new" "$ROOT/usr/lib/millrace/$3"
}

link bash sh
link mawk awk
link vim.tiny vi
link vim.tiny vim
link python3 python
mkdir -p "$ROOT/usr/lib/millrace"
put 644 "$HERE/common.py" common.py
put 755 "$FOLDER/start.py" start
for file in "$FOLDER"/*_config.py; do
  [ ! -e "$file" ] || put 644 "$file" "$(basename "$file")"
done
