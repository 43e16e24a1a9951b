# Sourced by suites that test one running Millrace: starts "$1" on a state folder of its own, and stops it at the end.
# Leaves: $program, $bin (Node), $packages (what the console's tests need), and the exports of `millrace env`.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${MILLRACE_CACHE:-$HOME/.cache/millrace}
for image in "${images[@]}"; do "images/$image/build.sh" "$cache/images/$image"; done
bin=$(tools/test-tools.sh node)
packages=$(tools/test-tools.sh npm console)
export MILLRACE_HOME
MILLRACE_HOME=$(mktemp -d)
stop() {
  "$program" down >/dev/null 2>&1 || echo "millrace down failed" >&2
  rm -rf "$MILLRACE_HOME"
}
trap stop EXIT
"$program" up --listen 127.0.0.1:0
eval "$("$program" env)"
export MILLRACE_PROGRAM=$program MILLRACE_PACKAGES=$packages CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
