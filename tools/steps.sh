# Sourced by the scripts of this folder: shows what a long step does and how long it took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
JOBS=${JOBS:-$(nproc)}

# step "what it does" command...
step() {
  local what=$1 begin=$SECONDS code=0
  shift
  printf '==> %s\n' "$what"
  "$@" || code=$?
  if [ "$code" -ne 0 ]; then
    printf '==> %s: failed with exit code %s after %s s\n' "$what" "$code" "$((SECONDS - begin))" >&2
    return "$code"
  fi
  printf '==> %s: done in %s s\n' "$what" "$((SECONDS - begin))"
}

# configure PRESET OPTIONS...: the report is kept, and shown only when something is wrong.
configure() {
  local preset=$1
  shift
  mkdir -p build
  step "configure build/$preset" quietly "build/configure-$preset.log" cmake --preset "$preset" "$@"
}

quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; return 1; }
}

# build PRESET TARGETS...: configures once (ninja configures again by itself when a CMake file changes), then builds.
build() {
  local preset=$1
  shift
  if [ ! -f "build/$preset/build.ninja" ]; then
    configure "$preset"
  fi
  local options=(-C "build/$preset" -j "$JOBS")
  [ -t 1 ] || options+=(--quiet)
  step "build $preset ($*)" ninja "${options[@]}" "$@"
}
