# Everything here works on a machine that has only Python 3.11 or newer, pip, git and make:
# each target first sets up .venv/ when it is missing or out of date.
#
#   make demo    watch a model reach two CRMs and a database, on this machine alone
#   make test    all tests but the heavy ones, in parallel, in about a quarter of an hour on two cores
#   make check   what continuous integration runs: test, lint, types, built wheel, heavy suites, TPC-H, a sweep
#   make help    all targets

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 -c '' >/dev/null 2>&1 && echo python3.11 || echo python3)
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
WORKERS ?= 2
TPCH_SCALE ?= 1
# Of make soak.
MINUTES ?= 30
# Of make sweep: kills at each failpoint, and at random.
POINTS ?= 20
KILLS ?= 1000
# Of the heavy suites, what runs each time.
HEAVY := not sweep and (core or not emulated)
# Set to pass more to pytest: make test ARGS="-k limiter"
ARGS ?=

.PHONY: help setup demo test check test-both test-slow test-emulated test-wheel test-tpch live-salesforce live-hubspot lint format typecheck bench bench-diff storm fuzz sweep soak sandbox lock clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: $(STAMP)  ## create .venv/ with the locked, hash-checked dependencies and this package

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: $(PYTHON) is not Python 3.11 or newer. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Creating $(VENV)/ with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); } || { \
	  echo "make: $(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; \
	  rm -rf $(VENV); exit 1; }
	@echo "Installing the locked dependencies into $(VENV)/ (about a minute the first time)"
	@# --no-deps: the lock holds every dependency, and a newer release on the index must not enter by way of an extra.
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@found=$$($(BIN)/python -m pip check --disable-pip-version-check) || { echo "$$found" >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# Where Python may not write beside the sources it would compile them at each start.
	@$(BIN)/python -m compileall -q engine destinations
	@touch $@

demo: $(STAMP)  ## the main job end to end: an embedded warehouse, simulated CRMs, an embedded database
	@$(BIN)/python scripts/demo.py

# The hash of texts decides in which order sets give their members, and so which examples are drawn.
test: export PYTHONHASHSEED = 0
test: $(STAMP)  ## all tests but the heavy ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not live" $(ARGS)

check: $(STAMP)  ## lint, types, built wheel, all tests, heavy suites, and a sweep: what CI runs
	@$(MAKE) lint
	@# More workers than cores: servers and pauses are waited for. Each reads all tests, which takes it 20 s: once.
	@$(MAKE) test-both WORKERS=4
	@# A sweep waits more than tests do: what else must be done goes beside it.
	@TAILRACE_SEED=1 $(MAKE) -j2 typecheck sweep KILLS=200 WORKERS=2

test-both: export PYTHONHASHSEED = 0
test-both: $(STAMP)  ## what `test` and `test-slow` run, at one go
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not live and (not slow or ($(HEAVY)))" $(ARGS)

test-slow: export PYTHONHASHSEED = 0
test-slow: $(STAMP)  ## the heavy suites, with the test of the built wheel
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "slow and $(HEAVY)" $(ARGS)

test-emulated: export PYTHONHASHSEED = 0
test-emulated: $(STAMP)  ## all that runs on emulators of Snowflake and BigQuery; of it, `make check` runs the core
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m emulated $(ARGS)

test-wheel: $(STAMP)  ## build the wheel, install it in an empty environment and use it
	$(BIN)/python -m pytest -m slow tests/e2e/test_wheel.py $(ARGS)

test-tpch: $(STAMP)  ## the end-to-end test on TPC-H data at full scale (TPCH_SCALE=1: 150,000 customers)
	TAILRACE_TPCH_SCALE=$(TPCH_SCALE) $(BIN)/python -m pytest tests/e2e/test_tpch.py $(ARGS)

fuzz: $(STAMP)  ## the laws and the stateful walks on examples that nobody has tried yet, heavy ones among them
	TAILRACE_WALK=random $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m hypothesis tests $(ARGS)

# The faulty programs that a sweep must find go beside it where there are two workers; the sweep begins first.
sweep: $(STAMP)  ## kill runs at every failpoint and 1,000 times at random, in each mode (TAILRACE_SEED=N repeats one)
	TAILRACE_SWEEP_POINTS=$(POINTS) TAILRACE_SWEEP_RANDOM=$(KILLS) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
	  -o timeout=0 -m sweep tests/sweep/test_sweep.py tests/sweep/test_stopped.py $(ARGS)

soak: $(STAMP)  ## let serve run for half an hour over a bad network, and look what grows (MINUTES=2 for a try)
	$(BIN)/python -m tests.sweep.soak --minutes $(MINUTES) $(ARGS)

live-salesforce: $(STAMP)  ## a smoke test against a real org that TAILRACE_LIVE_SF_* names; see docs/destinations/salesforce.md
	$(BIN)/python -m pytest -m live tests/live/test_salesforce.py -rs $(ARGS)

live-hubspot: $(STAMP)  ## a smoke test against a real account that TAILRACE_LIVE_HUBSPOT_* names; see docs/destinations/hubspot.md
	$(BIN)/python -m pytest -m live tests/live/test_hubspot.py -rs $(ARGS)

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## rewrite the code in the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(STAMP)  ## mypy --strict
	$(BIN)/mypy

bench: $(STAMP)  ## measure speed and memory, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks.run

bench-diff: $(STAMP)  ## measure the diff on 1 and 10 million rows, and write its section of docs/benchmarks.md
	$(BIN)/python -m benchmarks.diff --write-docs

storm: $(STAMP)  ## for a minute more requests than an account permits, from one process and from three
	STORM_TOKEN=storm $(BIN)/python -m benchmarks.storm

sandbox: $(STAMP)  ## local Salesforce- and HubSpot-like servers to rehearse against
	$(BIN)/tailrace sandbox

lock: $(STAMP)  ## resolve the dependencies anew into requirements.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv
	$(BIN)/python scripts/lock.py

clean:  ## remove .venv/, caches, build results and the demo's state
	rm -rf $(VENV) build dist .tailrace .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
