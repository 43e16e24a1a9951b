#!/bin/bash
# describe.sh ROOT NAME: writes ROOT/etc/millrace-image.json, by which a finished image is known (src/executor/images.h).
set -euo pipefail
printf '{"version":1,"source":"recipe:%s","requested":[],"packages":%s,"size_bytes":%s,"created_at":"%s"}\n' "$2" \
  "$(wc -l < "$1/etc/millrace-packages.txt")" "$(du -s -B1 "$1" | cut -f1)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  > "$1/etc/millrace-image.json"
