#!/bin/bash
# Prepares the images, starts the program on a state folder of its own, runs the browser tests against it, and stops it.
#   run.sh PROGRAM        CONSOLE_SCREENSHOTS=FOLDER keeps a picture of every page
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
cache=${MILLRACE_CACHE:-$HOME/.cache/millrace}
images/jupyter/build.sh "$cache/images/jupyter"
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
export MILLRACE_PACKAGES=$packages CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
"$bin/node" --test --test-concurrency=1 --test-reporter=spec tests/console/*_test.mjs
