#!/bin/bash
# The tests of environments against the running program.
#   run.sh PROGRAM [tls]      tls: where the gateway serves TLS
images=(jupyter shell)
tls=${2:+1}
source "$(dirname "$0")/../program.sh"
"$bin/node" --test --test-concurrency=1 --test-reporter=spec tests/environments/*_test.mjs
