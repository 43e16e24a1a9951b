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
preset=dev
[ -z "$long" ] || preset=long # thousands of simulated hours are not for unoptimised code
configure "$preset" -DMILLRACE_STRICT=ON
build "$preset" all

failed=()
if [ "$long" ]; then
  export FUZZ_SECONDS=${FUZZ_SECONDS:-300}
  MILLRACE_LONG=1 step "tests, long" run_ctest long || failed+=(tests)
else
  step "tests" run_ctest dev || failed+=(tests)
fi
if [ "$long" ]; then
  for sanitizer in asan tsan; do
    build "$sanitizer" unit_tests
    step "unit tests, $sanitizer" run_ctest "$sanitizer" -L unit || failed+=("$sanitizer")
  done
fi
step "fuzz targets" tools/fuzz.sh || failed+=(fuzz)

grep -A 1000 'tests passed' "build/$preset/ctest.log" || true
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
