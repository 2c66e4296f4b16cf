# Every task of a developer. `make help` lists them from the comments behind `##`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test histories openapi fuzz fmt lint doc bench bench-core advisories setup hooks dashboard clean

# How `run` builds (release or dev) and what it passes to the server, for example ARGS="--listen 127.0.0.1:9000".
PROFILE ?= release
ARGS ?=
# What `test` runs; everything if it is empty.
PARTS ?=
# How long `histories` runs.
HOURS ?= 1
# How long `fuzz` runs each target. Not SECONDS: Bash has a variable of that name.
FUZZ_SECONDS ?= 60

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: dashboard ## serve at http://127.0.0.1:8000 on ./kverse.db (options: make run ARGS="--help")
	cargo run --locked --profile $(PROFILE) -p kverse-server -- $(ARGS)

test: setup ## run every check and test, or some PARTS="lint docs web rust ops browser"; ends with "N passed, N failed"
	@ops/scripts/test.sh $(PARTS)

histories: setup ## let random faults happen to real servers for HOURS=1 and check what clients see
	cargo test --locked --release -p kverse-server --all-features --test histories -- --hours $(HOURS)

openapi: web/node_modules/.package-lock.json ## write kverse-server/openapi.json from the handlers, and the dashboard's types from it
	UPDATE_OPENAPI=1 cargo test --locked -p kverse-server --all-features --lib openapi::tests::the_committed_document
	npm --prefix web run api

fuzz: ## look for bad input with each fuzz target for FUZZ_SECONDS=60 (needs the nightly compiler and cargo-fuzz)
	@ops/scripts/fuzz.sh "$(FUZZ_SECONDS)"

fmt: web/node_modules/.package-lock.json ## format the code
	cargo fmt --all
	npm --prefix web run format

lint: setup ## check format, lints and licences, without running tests
	@ops/scripts/test.sh lint

doc: ## build the documentation of the crates and open it
	cargo doc --locked --workspace --all-features --no-deps --open

bench: setup ## measure the release server over HTTP with wrk (about a minute)
	cargo build --locked --release -p kverse-server
	@ops/scripts/bench.sh

bench-core: ## measure the stores and wrappers in the process
	cargo bench --locked -p kverse-core

advisories: setup ## check the dependencies for known vulnerabilities (needs the network)
	PATH="$$PATH:$(CURDIR)/target/lint/bin" cargo deny --locked check advisories

setup: ## install what test and bench need (apt, as root or through sudo)
	@ops/scripts/setup.sh

hooks: setup ## have each commit checked by the hooks of .pre-commit-config.yaml
	target/lint/bin/pre-commit install

clean: ## remove everything that was built
	cargo clean
	rm -rf web/node_modules web/coverage web/test-results web/dist/*

# The dashboard, which the server has in it, is built again when its sources have changed.
dashboard: web/dist/index.html

web/dist/index.html: web/node_modules/.package-lock.json web/index.html web/package.json web/vite.config.ts \
		$(shell find web/src web/public -type f)
	npm --prefix web run build-only

# npm writes this file when it has installed what the other one asks for.
web/node_modules/.package-lock.json: web/package-lock.json
	@command -v npm >/dev/null || { echo "Node.js is missing: https://nodejs.org" >&2; exit 1; }
	npm --prefix web ci
	@touch $@
