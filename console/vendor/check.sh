#!/bin/bash
# Holds every vendored file against the hash, version and licence that README.md states for it.
set -euo pipefail
cd "$(dirname "$0")"
fail() { echo "console/vendor: $1" >&2; exit 1; }

declare -A stated
while IFS='|' read -r _ file package version licence hash _; do
  read -r file <<<"$file"; read -r hash <<<"$hash"; read -r version <<<"$version"; read -r licence <<<"$licence"
  [[ $hash =~ ^[0-9a-f]{64}$ ]] || continue
  [ -n "$version" ] || fail "README.md states no version for $file"
  text=${licence#*(}; text=${text%)*}
  [ -s "$text" ] || fail "$file: $package's licence text $text is missing: run fetch.sh"
  stated[$file]=$hash
done <README.md

for file in *.js *.css; do
  [ -n "${stated[$file]:-}" ] || fail "$file is not in README.md: add its package, version, licence and SHA-256"
  found=$(sha256sum "$file" | cut -d' ' -f1)
  [ "$found" = "${stated[$file]}" ] || fail "$file has SHA-256 $found, README.md says ${stated[$file]}: run fetch.sh, or state the new version"
  unset "stated[$file]"
done
[ ${#stated[@]} -eq 0 ] || fail "README.md lists files that are not here: ${!stated[*]}"
echo "console/vendor: every file is what README.md says"
