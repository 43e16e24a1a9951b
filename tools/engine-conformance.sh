#!/bin/bash
# engine-conformance.sh [ENGINE MODEL]: the engine adapter's conformance suite against a real llama-server.
# ENGINE is a root file system that holds usr/bin/llama-server, or a llama-server program; MODEL a GGUF file. Without
# them: what tools/prepare.sh has ready. Needs no network. Exit 0 only if every check passed.
# Settings: MILLRACE_CONFORMANCE, the suite's program (else build/dev/bin's, else it is compiled: about 2 minutes).
set -euo pipefail
HERE=$(cd "$(dirname "$0")/.." && pwd)
SUITE=$HERE/tests/engine_adapter
CACHE=${MILLRACE_CACHE:-${HOME:?}/.cache/millrace}
die() { printf 'engine-conformance: %s\n' "$*" >&2; exit 1; }

if [ $# -eq 0 ]; then
  [ -r "$CACHE/prepared.env" ] || die "found no $CACHE/prepared.env: run tools/prepare.sh first"
  source "$CACHE/prepared.env"
  set -- "${ENGINE_ROOT:-$ENGINE_PATH}" "$MODEL_FILE"
fi
[ $# -eq 2 ] || die "usage: $0 [ENGINE MODEL]"
ENGINE=$(realpath "$1"); MODEL=$(realpath "$2")
[ -x "$ENGINE/usr/bin/llama-server" ] || [ -f "$ENGINE" -a -x "$ENGINE" ] || die "there is no llama-server at $ENGINE"
[ -r "$MODEL" ] || die "cannot read the model $MODEL"

WORK=$(mktemp -d)                       # short: paths of unix sockets end at 107 bytes
PIDS=()
cleanup() {
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$WORK"
}
trap cleanup EXIT

# compile PROGRAM: for machines where the tests are not built (make up).
compile() {
  local cxx=${CXX:-clang++-19} sources
  command -v "$cxx" > /dev/null || die "looked for $cxx to compile the suite, found none: run tools/install-deps.sh"
  echo "engine-conformance: compiling the suite" >&2
  sources=$(cd "$HERE/src" && ls core/result.cc host/json.cc host/json_object.cc host/json_writer.cc net/sse.cc \
            engine/*.cc engine/wire/*.cc engine/llama/*.cc | grep -vE '_(test|fuzz)\.cc$')
  (cd "$HERE/src" && for source in $sources ../tests/engine_adapter/{conformance,engine_client}.cc; do
     printf '%s %s\n' "$source" "$WORK/$(echo "$source" | tr -c 'a-z_\n' _).o"
   done | xargs -P 2 -L 1 sh -c "$cxx"' -std=c++23 -I. -c "$0" -o "$1"') || die "the suite does not compile (see above)"
  "$cxx" "$WORK"/*.o -o "$1" -lfmt -lboost_json -lboost_container
}

# start NAME ARGUMENTS...: an engine without network, as an unprivileged user, on $WORK/NAME/s.sock.
start() {
  local name=$1 folder=$WORK/$1
  shift
  mkdir -m 777 "$folder"; chmod 777 "$folder"
  local box=(bwrap --unshare-all --die-with-parent --cap-drop ALL --clearenv --setenv PATH /usr/bin --proc /proc --dev /dev)
  local arguments=(-t 1 --no-ui "$@")
  if [ -d "$ENGINE" ]; then
    [ "$(id -u)" -ne 0 ] || box+=(--uid 65534)
    "${box[@]}" --ro-bind "$ENGINE" / --proc /proc --dev /dev --tmpfs /tmp --bind "$folder" /tmp/run --ro-bind "$MODEL" /tmp/model.gguf \
      --ro-bind "$SUITE/tools_template.jinja" /tmp/tools.jinja \
      llama-server --host /tmp/run/s.sock -m /tmp/model.gguf "${arguments[@]}" > "$WORK/$name.log" 2>&1 &
  else
    "$ENGINE" --host "$folder/s.sock" -m "$MODEL" "${arguments[@]//\/tmp\/tools.jinja/$SUITE/tools_template.jinja}" \
      > "$WORK/$name.log" 2>&1 &
  fi
  PIDS+=($!)
}

# wait_for NAME PID: until the engine says it is healthy; 60 s at most.
wait_for() {
  local deadline=$((SECONDS + 60))
  until [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$WORK/$1/s.sock" http://engine/health)" = 200 ]; do
    kill -0 "$2" 2>/dev/null || { tail -n 20 "$WORK/$1.log" >&2; die "engine '$1' ended before it was ready (its log is above)"; }
    [ $SECONDS -lt $deadline ] || { tail -n 20 "$WORK/$1.log" >&2; die "engine '$1' was not ready within 60 s (its log is above)"; }
    sleep 0.1
  done
}

PROGRAM=${MILLRACE_CONFORMANCE:-$HERE/build/dev/bin/engine_conformance}
if [ ! -x "$PROGRAM" ]; then PROGRAM=$WORK/engine_conformance; compile "$PROGRAM"; fi
start generating -np 4 -c 4096 -b 128
start embedding -np 1 -c 512 -b 512 --embeddings --pooling mean
start tools -np 1 -c 2048 -b 128 --jinja --chat-template-file /tmp/tools.jinja
wait_for generating "${PIDS[0]}"
wait_for embedding "${PIDS[1]}"
wait_for tools "${PIDS[2]}"
"$PROGRAM" "$WORK/generating/s.sock" "$WORK/embedding/s.sock" "$WORK/tools/s.sock"
