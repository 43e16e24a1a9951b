#!/bin/bash
# make test: every test, then every fuzz target for FUZZ_SECONDS (10). With --long: more of each, and the sanitizers.
source "$(dirname "$0")/steps.sh"

long=${1:-}
[ -z "$long" ] || [ "$long" = --long ] || { echo "usage: $0 [--long]" >&2; exit 2; }

# What ctest prints last, kept for the last lines of the whole run.
run_ctest() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j 2 "$@" | tee "build/$preset/ctest.log"
}

tools/install-deps.sh --test
prepare() { tools/prepare.sh >/dev/null; } # what it prints for scripts is in prepared.env of the cache as well
step "prepare engine and model" prepare
configure dev -DMILLRACE_STRICT=ON
build dev all

failed=()
if [ "$long" ]; then
  export MILLRACE_LONG=1 FUZZ_SECONDS=${FUZZ_SECONDS:-300}
fi
step "tests" run_ctest dev || failed+=(tests)
if [ "$long" ]; then
  for preset in asan tsan; do
    build "$preset" all
    step "unit tests, $preset" run_ctest "$preset" -L unit || failed+=("$preset")
  done
fi
step "fuzz targets" tools/fuzz.sh || failed+=(fuzz)

grep -A 1000 'tests passed' build/dev/ctest.log || true
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
