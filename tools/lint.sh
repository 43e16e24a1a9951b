#!/bin/bash
# make lint: format, clang-tidy (unchanged files are remembered), style rules.
source "$(dirname "$0")/steps.sh"

format() {
  git ls-files -co --exclude-standard -- 'src/*.h' 'src/*.cc' 'bench/*.h' 'bench/*.cc' 'tests/*.h' 'tests/*.cc' \
    | xargs -r clang-format-19 "$@"
}

# TypeScript checks the console's JSDoc types; nothing is compiled.
console_types() {
  local packages
  packages=$(tools/test-tools.sh npm lint)
  PATH=$(tools/test-tools.sh node):$PATH "$packages/node_modules/.bin/tsc" -p tests/lint/tsconfig.json
}

if [ "${1:-}" = --fix ]; then
  step "format" format -i
  exit
fi
tools/install-deps.sh --test
[ -f build/dev/build.ninja ] || configure dev
failed=()
step "clang-format" format --dry-run -Werror || failed+=("clang-format (make format mends it)")
step "style" python3 tools/style.py || failed+=(style)
step "console types" console_types || failed+=("console types")
step "clang-tidy" python3 tools/tidy.py build/dev || failed+=(clang-tidy)
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
