#!/bin/bash
# make up: from a fresh machine to the first answer. Everything that is done already is skipped. Arguments: millrace up's.
source "$(dirname "$0")/steps.sh"

tools/install-deps.sh
tools/build-program.sh
if [ -x tools/prepare.sh ]; then
  tools/prepare.sh
fi
exec build/millrace up "$@"
