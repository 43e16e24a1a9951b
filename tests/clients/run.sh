#!/bin/bash
# Runs the official clients, for Python and Node, against the program on a state folder of its own: run.sh PROGRAM [PYTEST OPTIONS]
set -euo pipefail
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
python=$(tools/test-tools.sh python clients)/bin/python
node=$(tools/test-tools.sh node)/node
packages=$(tools/test-tools.sh npm clients)
# No client may ask the world for anything.
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False LANGSMITH_TRACING=false DO_NOT_TRACK=1
export PYTHONDONTWRITEBYTECODE=1
exec "$python" -m pytest -q -p no:cacheprovider --durations=5 tests/clients --millrace "$program" \
  --node "$node" --node-packages "$packages" "$@"
