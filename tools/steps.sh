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

# build PRESET TARGETS...: configures once (ninja configures again by itself when a CMake file changes), then builds.
build() {
  local preset=$1
  shift
  if [ ! -f "build/$preset/build.ninja" ]; then
    step "configure build/$preset" cmake --preset "$preset" --log-level=NOTICE
  fi
  local options=(-C "build/$preset" -j "$JOBS")
  [ -t 1 ] || options+=(--quiet)
  step "build $preset ($*)" ninja "${options[@]}" "$@"
}
