#!/bin/bash
# Starts the program on a state folder of its own and runs the official clients against it: run.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
python=$(tools/test-tools.sh python clients)/bin/python
node=$(tools/test-tools.sh node)/node
packages=$(tools/test-tools.sh npm clients)
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False DO_NOT_TRACK=1
"$python" -m pytest -q -p no:cacheprovider tests/clients --millrace "$program"

export MILLRACE_HOME
MILLRACE_HOME=$(mktemp -d)
stop() {
  "$program" down >/dev/null 2>&1 || echo "millrace down failed" >&2
  rm -rf "$MILLRACE_HOME"
}
trap stop EXIT
"$program" up --listen 127.0.0.1:0 >/dev/null
eval "$("$program" env)"
export MILLRACE_PROGRAM=$program
# Modules are found from the file that imports them: the tests run beside their packages.
cp tests/clients/*.mjs "$packages/"
"$node" --test --test-reporter=spec "$packages"/*_test.mjs
