#!/bin/bash
# Writes a sample report and looks at it in Chromium.
#   report.sh REPORT_SAMPLE        REPORT_SCREENSHOTS=FOLDER keeps pictures
set -euo pipefail
sample=$(realpath "$1")
cd "$(dirname "$0")/../.."
bin=$(tools/test-tools.sh node)
packages=$(tools/test-tools.sh npm console)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$sample" "$folder/report.html" "$folder/tables"
export REPORT=$folder/report.html MILLRACE_PACKAGES=$packages CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
"$bin/node" --test --test-reporter=spec tests/twin/report_test.mjs
