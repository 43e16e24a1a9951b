#!/bin/bash
# make up: from a fresh machine to the first answer. Everything that is done already is skipped. Arguments: millrace up's.
source "$(dirname "$0")/steps.sh"

tools/install-deps.sh
tools/build-program.sh
prepare() { tools/prepare.sh >/dev/null; } # what it prints for scripts is in prepared.env of the cache as well
step "prepare engine and model" prepare
exec build/millrace up "$@"
