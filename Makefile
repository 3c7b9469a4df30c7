# Tocsin's commands. `make help` lists them. `make demo` and `make test` set everything up by themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
VENDOR := tocsin/web/static/vendor

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------------------------------- setting up

setup: $(VENV)/.ready $(VENDOR)/.ready ## Make the virtual environment and fetch the libraries of the pages

$(VENV)/.ready: requirements-dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: Python packages, exact versions, checked by hash"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv5/.ready: requirements-pagerduty5.txt
	@test -x .venv5/bin/python || $(PYTHON) -m venv .venv5
	@echo "setup: the older of PagerDuty's clients, in an environment of its own"
	@.venv5/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-pagerduty5.txt
	@touch $@

$(VENDOR)/.ready: package.json tocsin/web/icons.py scripts/vendor.toml scripts/vendor.py $(VENV)/.ready
	@echo "setup: libraries of the pages, exact versions, checked by hash"
	@$(BIN)/python scripts/vendor.py
	@touch $@

system: ## Install the Debian packages that tests use (PostgreSQL, Chromium, Alertmanager, wrk); needs root
	@bash scripts/system.sh

# ------------------------------------------------------------------------------------------------------- using it

demo: setup ## Start a lifelike company on this machine (TOCSIN_HTTP, TOCSIN_HTTPS, TOCSIN_DATA)
	@exec $(BIN)/tocsin demo

# ------------------------------------------------------------------------------------------------------- checking

test: setup .venv5/.ready system ## Run every test; ARGS="-k words" passes words on to pytest
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

check: $(VENV)/.ready ## Lint, types, imports, spelling, tidiness and docs
	@bash scripts/check.sh

both: setup ## Run the store's tests on both databases; fails where PostgreSQL is missing
	@CI=true $(BIN)/python -m pytest tests/store tests/both $(ARGS)

promises: setup ## Run the product's promises in plain words, kill -9 among them
	@$(BIN)/python -m pytest tests/promises $(ARGS)

sim: setup ## Run simulated worlds with faults (SEED= the first, RUNS= how many, HOURS= of trouble in each)
	@$(BIN)/python -m tests.sim.run $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(HOURS),--hours $(HOURS)) $(ARGS)

fuzz-api: setup ## Ask the API whatever its own document allows, and what it does not (RUNS= requests an operation, ARGS="-k Teams")
	@FUZZ_EXAMPLES=$(or $(RUNS),200) $(BIN)/python -m pytest tests/api/test_our_document.py --timeout 0 $(ARGS)

mutants: setup ## Put faults into a copy of the code, one at a time, and show which test notices (ONLY="words of its name")
	@$(BIN)/python scripts/mutants.py $(ONLY)

bench: setup system ## Measure what the targets, beside Alertmanager where it is installed (ARGS="--json --quick")
	@$(BIN)/python -m bench $(ARGS)

compat: setup .venv5/.ready ## Run PagerDuty's own clients and real senders against us
	@$(BIN)/python -m pytest tests/compat $(ARGS)

# ----------------------------------------------------------------------------------------------------- working on it

migration: setup ## Write a migration from the difference between the tables and the last one: NAME="what changed"
	@test -n "$(NAME)" || { echo 'make migration NAME="what changed"' >&2; exit 2; }
	@$(BIN)/python scripts/migration.py "$(NAME)"

readme: $(VENV)/.ready ## Write into README.md which of PagerDuty's operations are served now
	@$(BIN)/python -m scripts.readme

pictures: setup ## Take the pictures of docs/pictures anew, from a demo of their own; needs Chromium
	@$(BIN)/python scripts/pictures.py

pin: $(VENV)/.ready ## Pin every dependency anew to the newest version, with hashes
	@bash scripts/pin.sh

format: $(VENV)/.ready ## Sort imports and mend what the linter can mend by itself
	@$(BIN)/ruff check --fix --quiet . || true

clean: ## Remove everything that was made here, except databases in ./var
	@rm -rf $(VENV) .venv5 node_modules $(VENDOR) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help setup system demo test check both promises sim fuzz-api mutants bench compat migration readme pictures pin format clean
