# Everything here needs Go, git, make and a C compiler. "make test" installs what
# else it needs, and says so.

GO       ?= go
FUZZTIME ?= 10m
# The mutants to run: a regular expression that matches file names. JOBS run at once.
MUTANTS  ?= .
JOBS     ?= 2
# What "make bench" is told: -short, -run 'memory/', -rounds 3, -parts http; see -help.
BENCH    ?=

# Debian packages with the servers and browsers that tests start.
APT_PACKAGES := postgresql mariadb-server memcached python3-beaker python3-cryptography redis-server python3-redis python3-waitress wrk curl chromium

GATE := build/bin/gate -apt "$(APT_PACKAGES)" -fuzztime $(FUZZTIME)

export GOFLAGS := $(GOFLAGS) -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help test setup format vet rules api-check docs-check unit isolated fips guarantees-check lint \
	fmt api docs guarantees soak fuzz decoders mutants screenshots bench clean FORCE

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: build/bin/gate ## everything that must pass before a change is merged: all steps from setup to lint
	@$(GATE) all

setup: build/bin/gate ## step: install what the tests need
	@$(GATE) setup

format: build/bin/gate ## step: gofumpt has nothing to change
	@$(GATE) format

vet: build/bin/gate ## step: go vet, the library for Windows and macOS too
	@$(GATE) vet

rules: build/bin/gate ## step: the rules of the repository (internal/ci/rules)
	@$(GATE) rules

api-check: build/bin/gate ## step: what is exported is what api/ records
	@$(GATE) api

docs-check: build/bin/gate ## step: the code, names, links and commands in the documents are true
	@$(GATE) docs

unit: build/bin/gate ## step: all tests, with the race detector, in random order
	@$(GATE) unit

isolated: build/bin/gate ## step: each module as its users see it, outside of the workspace
	@$(GATE) isolated

fips: build/bin/gate ## step: the tests of what is released, under GODEBUG=fips140=only
	@$(GATE) fips

guarantees-check: build/bin/gate ## step: the guarantee table in README.md is what the tests find
	@$(GATE) guarantees

lint: build/bin/gate ## step: golangci-lint
	@$(GATE) lint

fmt: build/bin/gate ## format all Go files
	@$(GATE) fmt

api: build/bin/gate ## record in api/ what is exported
	@$(GATE) api-write

docs: build/bin/gate ## copy the examples into the documents, from the files that they are tested in
	@$(GATE) docs-write

guarantees: build/bin/gate ## bring the guarantee table in README.md up to date
	@$(GATE) guarantees-write

soak: build/bin/gate ## the long versions of all tests, then fuzz
	@$(GATE) setup soak fuzz decoders

fuzz: build/bin/gate ## all fuzz targets for FUZZTIME each (10m), and what of the decoders they reach
	@$(GATE) fuzz decoders

decoders: build/bin/gate ## what of the decoders the fuzz targets reach, without fuzzing
	@$(GATE) decoders

mutants: build/bin/mutants ## break each promise on purpose and see its test fail; MUTANTS=regexp picks some
	@build/bin/mutants -run "$(MUTANTS)" -j $(JOBS)

bench: setup build/bin/bench ## measure everything beside floors and peers, in 12 minutes; BENCH='-run memory' for a part
	@build/bin/bench -o build/bench $(BENCH)

screenshots: setup ## the pages of the demo in build/screenshots, and those of the README in docs/images
	cd cmd/beaker/browsertest && BEAKER_SCREENSHOTS=$(CURDIR) $(GO) test -count=1 -run '^TestPages' .

clean: ## remove what was built here; the tools stay in the user's cache
	rm -rf build

build/bin/bench: FORCE
	@$(GO) build -o $@ ./bench

build/bin/%: FORCE
	@$(GO) build -o $@ ./internal/ci/$*

FORCE:
