# Sourced by suites that test one running Millrace: starts "$1" on a state folder of its own, and stops it at the end.
# With tls=1 its gateway serves TLS, with a certificate that signs itself and that browser.mjs knows by its key.
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
up_options=(--listen 127.0.0.1:0)
if [ -n "${tls:-}" ]; then
  PYTHONPATH=tests python3 -c "import sys; from harness import make_certificate; make_certificate(sys.argv[1], 'millrace')" "$MILLRACE_HOME"
  up_options+=(--tls-cert "$MILLRACE_HOME/cert.pem" --tls-key "$MILLRACE_HOME/key.pem")
  MILLRACE_CERTIFICATE=$(openssl x509 -in "$MILLRACE_HOME/cert.pem" -noout -pubkey | openssl pkey -pubin -outform der |
    openssl dgst -sha256 -binary | base64)
  export MILLRACE_CERTIFICATE
fi
"$program" up "${up_options[@]}"
eval "$("$program" env)"
export MILLRACE_PROGRAM=$program MILLRACE_PACKAGES=$packages CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
