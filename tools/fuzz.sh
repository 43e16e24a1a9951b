#!/bin/bash
# Runs each fuzz target for FUZZ_SECONDS (10), two at a time, from its corpus in tests/fuzz/corpus/<target> if it has one.
source "$(dirname "$0")/steps.sh"

build fuzz fuzzers
export FUZZ_SECONDS=${FUZZ_SECONDS:-10}

fuzz_one() {
  local target=$1 new=build/fuzz/corpus/$1 seeds=tests/fuzz/corpus/$1 log=build/fuzz/logs/$1.log
  mkdir -p "$new" build/fuzz/logs build/fuzz/findings
  local corpora=("$new")
  [ ! -d "$seeds" ] || corpora+=("$seeds")
  if "build/fuzz/bin/fuzz/$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="build/fuzz/findings/$target-" "${corpora[@]}" >"$log" 2>&1; then
    printf '  %-40s %s\n' "$target" "$(grep -oE '^Done [0-9]+ runs' "$log" | tail -n 1)"
  else
    tail -n 60 "$log"
    printf '  %-40s FAILED: run build/fuzz/bin/fuzz/%s on the file named above\n' "$target" "$target"
    return 1
  fi
}
export -f fuzz_one

mapfile -t targets < <(find build/fuzz/bin/fuzz -maxdepth 1 -type f -perm -u+x -printf '%f\n' 2>/dev/null | sort)
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz target was built" >&2; exit 1; }
printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -c 'fuzz_one {}'
echo "fuzz: ${#targets[@]} targets, no finding"
