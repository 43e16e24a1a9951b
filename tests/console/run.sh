#!/bin/bash
# The browser tests of the console against the running program.
#   run.sh PROGRAM        CONSOLE_SCREENSHOTS=FOLDER keeps a picture of every page
images=(jupyter)
source "$(dirname "$0")/../program.sh"
"$bin/node" --test --test-concurrency=1 --test-reporter=spec tests/console/*_test.mjs
