#!/bin/bash
# Starts the program on a state folder of its own and holds it against its OpenAPI document: run.sh PROGRAM
# The operations that generate text are answered by an upstream that needs no time to think.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
here=$PWD/tests/openapi
tools=$(tools/test-tools.sh python openapi)
export MILLRACE_HOME
MILLRACE_HOME=$(mktemp -d)
work=$(mktemp -d)
stop() {
  [ -z "${upstream:-}" ] || kill "$upstream" 2>/dev/null || true
  "$program" down >/dev/null 2>&1 || echo "millrace down failed" >&2
  rm -rf "$MILLRACE_HOME" "$work"
}
trap stop EXIT
"$program" up --bare --listen 127.0.0.1:0 >/dev/null
eval "$("$program" env)"
mkfifo "$work/url"
"$tools/bin/python" "$here/../upstream.py" >"$work/url" &
upstream=$!
read -r url <"$work/url"
"$program" endpoint create mock --upstream "$url" --upstream-model m --upstream-embeds >/dev/null

export SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here MILLRACE_TEST_MODEL=mock MILLRACE_TEST_UPSTREAM=$url MILLRACE_TEST_KEYS
MILLRACE_TEST_KEYS=$("$program" key list --json | jq -r '.[].id' | tr '\n' ' ')
cd "$work" # it leaves files where it runs
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method
schemathesis() {
  "$tools/bin/schemathesis" run "$MILLRACE_URL/api/v1/openapi.json" --url "$MILLRACE_URL" --workers 1 \
    --generation-deterministic --warnings off "$@"
}
echo "== the operations that generate"
schemathesis -H "Authorization: Bearer $OPENAI_API_KEY" --phases examples,coverage,fuzzing --max-examples 48 \
  --checks "$checks" --include-path-regex '^/v1/'
# A run in which hardly anything got as far as an answer has shown nothing.
for operation in chat/completions completions embeddings responses messages; do
  answered=$(curl -s "$MILLRACE_URL/metrics" \
    | sed -n "s|^millrace_gateway_answers_total{route=\"/v1/$operation\",status=\"200\"} ||p")
  echo "$operation: ${answered:-0} answers of 200"
  [ "${answered:-0}" -ge 20 ] || { echo "too few answers of $operation" >&2; exit 1; }
done
echo "== the control API"
schemathesis -H "Authorization: Bearer $MILLRACE_KEY" --phases examples,coverage,fuzzing --max-examples 20 \
  --checks "$checks" --include-path-regex '^/api/'
echo "== what the control API makes, shows, changes and deletes, along the document's links"
schemathesis -H "Authorization: Bearer $MILLRACE_KEY" --phases stateful --mode positive --max-examples 400 \
  --checks "$checks,ensure_resource_availability" --include-path-regex '^/api/' | tee links.txt
covered=$(sed -n 's/.*API Links: *\([0-9]*\) covered.*/\1/p' links.txt)
[ "${covered:-0}" -ge 15 ] || { echo "only ${covered:-0} links were followed" >&2; exit 1; }
