# Everything a developer or a new user runs. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
LAB := asterisk/lab/lab
# Tests at a time. Most wait more than they compute. On the lab: one, where nobody says otherwise (docs/adr/0031).
WORKERS ?= $(shell n=$$(( $$(nproc) * 3 / 2 )); echo $$(( n > 4 ? 4 : n )))
LAB_WORKERS ?= 1
SEED ?= 1
# Whoever forbids bytecode has every process of a test run compile all of it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup workbench demo demo-down test test-late test-kill check unit lab-tests browser-tests lab-up lab-down bench bench-media lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: .venv/.ready ## virtual environment with dialerd and dialerctl, and the system packages they run with

# A service may not write here, so what it runs is compiled now.
.venv/.ready: requirements.lock pyproject.toml scripts/system-packages
	@scripts/system-packages runtime
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dialerd needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing Python packages into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q dialerd
	@touch $@

workbench: .venv/.workbench ## what testing and the demo need beside that: SIPp, PostgreSQL, Chromium …

.venv/.workbench: .venv/.ready
	@scripts/system-packages
	@touch $@

demo: workbench ## a real campaign on a real local Asterisk, checked against the carrier's records (KEEP=1 leaves it running)
	@$(BIN)/python -m scripts.demo $(if $(KEEP),--keep)

demo-down: ## stop what `make demo KEEP=1` has left running
	@$(BIN)/python -m scripts.demo --down

check: setup ## lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=asterisk/lab $(BIN)/mypy --strict --config-file= asterisk/lab/*.py
	$(BIN)/lint-imports

unit: workbench ## tests that need no Asterisk (WORKERS=1 runs one at a time)
	$(BIN)/python -m pytest -m "not lab and not kill and not browser" -n $(WORKERS) --dist worksteal

lab-tests: workbench ## tests on the real Asterisk (LAB_WORKERS=3: file beside file, then alone what measures the machine)
ifeq ($(LAB_WORKERS),1)
	$(BIN)/python -m pytest -m lab
else
	$(BIN)/python -m pytest -m "lab and not alone" -n $(LAB_WORKERS) --dist loadfile
	$(BIN)/python -m pytest -m "lab and alone"
endif

browser-tests: workbench ## the console in a real Chromium, on the real Asterisk
	$(BIN)/python -m pytest -m browser

test: check unit lab-tests browser-tests ## everything: lint, types, contracts, unit, store and end-to-end tests

test-late: workbench ## the tests that need no Asterisk with sockets that are late at random: finds tests that race (SEED=N)
	SEED=$(SEED) $(BIN)/python -m pytest -p tests.lateness -m "not lab and not kill and not browser" -n $(WORKERS) --dist worksteal

test-kill: workbench ## the kill drill on both stores: daemon, media workers, Asterisk, PostgreSQL and connections die over and over (an hour; KILL_SEED=N repeats one)
	$(BIN)/python -m pytest tests/kill -m kill -s

lab-up: workbench ## start the lab: a PBX and a simulated carrier
	@$(LAB) up

lab-down: ## stop the lab
	@$(LAB) down

bench: workbench ## every benchmark, as ratios and percentiles beside their targets (RUNS=5 CALLS=2000; STORE=postgresql for latency and scale)
	$(BIN)/python -m benchmarks

bench-media: workbench ## the calls' audio alone: frames lost, delays, CPU a call of each engine (CALLS=2000 is 100 calls for a minute)
	$(BIN)/python -m benchmarks.media
	$(BIN)/python -m benchmarks.webrtc

lock: ## pin the dependencies again, with hashes and without any index address
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet pip-tools
	@.venv-lock/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --extra dev \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	  -o requirements.lock pyproject.toml
	@rm -rf .venv-lock

clean: ## remove what the targets above have made in this folder
	@$(LAB) down || true
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
