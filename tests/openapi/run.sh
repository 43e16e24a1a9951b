#!/bin/bash
# Starts the program on a state folder of its own and holds it against its OpenAPI document: run.sh PROGRAM
# The operations that generate text are held against it by their own tests (src/gateway/dialect): here each of them would
# keep the engine busy for minutes.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
tools=$(tools/test-tools.sh python openapi)
export MILLRACE_HOME
MILLRACE_HOME=$(mktemp -d)
stop() {
  "$program" down >/dev/null 2>&1 || echo "millrace down failed" >&2
  rm -rf "$MILLRACE_HOME" "$work"
}
work=$(mktemp -d)
trap stop EXIT
"$program" up --listen 127.0.0.1:0 >/dev/null
eval "$("$program" env)"
cd "$work" # it leaves files where it runs
"$tools/bin/schemathesis" run "$MILLRACE_URL/api/v1/openapi.json" --url "$MILLRACE_URL" \
  -H "Authorization: Bearer $MILLRACE_KEY" --phases examples,coverage,fuzzing --max-examples 20 --workers 2 \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
  --generation-deterministic --exclude-path-regex '^/v1/(chat|completions|responses|messages|embeddings)'
