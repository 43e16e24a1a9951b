#!/bin/bash
# Starts the program on a state folder of its own, prepares the images, runs the tests of environments, and stops it.
#   run.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
cache=${MILLRACE_CACHE:-$HOME/.cache/millrace}
images/jupyter/build.sh "$cache/images/jupyter"
images/shell/build.sh "$cache/images/shell"
bin=$(tools/test-tools.sh node)
packages=$(tools/test-tools.sh npm console)
export MILLRACE_HOME
MILLRACE_HOME=$(mktemp -d)
stop() {
  "$program" down >/dev/null 2>&1 || echo "millrace down failed" >&2
  rm -rf "$MILLRACE_HOME"
}
trap stop EXIT
"$program" up --listen 127.0.0.1:0
eval "$("$program" env)"
export MILLRACE_PROGRAM=$program MILLRACE_PACKAGES=$packages CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
"$bin/node" --test --test-concurrency=1 --test-reporter=spec tests/environments/*_test.mjs
