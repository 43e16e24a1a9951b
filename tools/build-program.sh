#!/bin/bash
# make build: the optimised program, at build/millrace.
source "$(dirname "$0")/steps.sh"

build release millrace
# A program that runs is replaced, not overwritten.
if ! cmp -s build/release/millrace build/millrace; then
  cp build/release/millrace build/millrace.new
  mv -f build/millrace.new build/millrace
fi
