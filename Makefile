# The commands of a working day. What each does is in tools/; `make help` lists them.
.PHONY: up down build test test-long fuzz lint format bench clean help
.DEFAULT_GOAL := help

up: ## install what is needed, build, prepare engine and model, start, ask a first question (ARGS="--listen ...")
	@tools/up.sh $(ARGS)

down: ## stop what make up started
	@if [ -x build/millrace ]; then build/millrace down $(ARGS); else echo "nothing to stop: build/millrace does not exist"; fi

build: ## the optimised program, at build/millrace
	@tools/install-deps.sh
	@tools/build-program.sh

test: ## install what the tests need, build, run every test, fuzz each target for FUZZ_SECONDS (10)
	@tools/test.sh

test-long: ## make test with longer runs, and the unit tests under the address and thread sanitizers
	@tools/test.sh --long

fuzz: ## each fuzz target for FUZZ_SECONDS (10)
	@tools/install-deps.sh --test
	@tools/fuzz.sh

lint: ## clang-format, clang-tidy, style rules
	@tools/lint.sh

format: ## mend the format of all C++ files
	@tools/lint.sh --fix

bench: ## the benchmarks of bench/
	@tools/install-deps.sh --bench
	@tools/build-program.sh
	@bench/run $(ARGS)

clean: ## remove build/ (a running Millrace keeps its state folder; stop it first)
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
