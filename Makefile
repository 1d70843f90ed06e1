# Every command of the project. Each one sets up what it needs in .venv first; nothing is installed outside of it.
# Needs: CPython >= 3.11 with venv, GNU make, and a package index that pip can reach (or a folder of wheels).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python on the path that is new enough; override with `make PYTHON=… demo`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
PACKAGES := chains store heuristics worlds service
CODE := $(PACKAGES) tests bench docs
ARGS ?=

.PHONY: help setup dev demo test soak check fix format-check lint types layers spelling coverage docs docs-check \
	evaluate accuracy bench serve image lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# -- set-up: once per lock file; a stamp says that it was done ------------------------------------------------------

setup: $(VENV)/.runtime ## what `tadoru` needs to run
dev: $(VENV)/.dev ## and what its tests and checks need

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found: install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The project itself goes in last, without an isolated build: its build tools are locked like everything else.
$(VENV)/.runtime: $(VENV)/.made requirements/runtime.txt requirements/build.txt pyproject.toml
	$(PIP) -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(PIP) -r requirements/dev.txt
	@touch $@

# -- use ------------------------------------------------------------------------------------------------------------

demo: setup ## a small world with known truth: simulate, index, screen
	$(BIN)/tadoru demo $(ARGS)

serve: setup ## the API on 127.0.0.1, over the data directory TADORU_DATA
	$(BIN)/tadoru serve $(ARGS)

image: ## the container image
	docker build --tag tadoru .

# -- check ----------------------------------------------------------------------------------------------------------

test: dev ## every test but the long ones; ARGS='-k lake' narrows it
	$(BIN)/python -m pytest -n 2 -m "not soak" $(ARGS)

soak: dev ## the long tests: kills at random instants, large worlds
	$(BIN)/python -m pytest -m soak $(ARGS)

check: format-check lint types layers spelling docs-check coverage ## everything a change has to pass

fix: dev ## format, and repair what the linter can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

format-check: dev
	$(BIN)/ruff format --check $(CODE)

lint: dev
	$(BIN)/ruff check $(CODE)

types: dev
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases tests bench docs

layers: dev ## service → worlds → heuristics → store → chains
	$(BIN)/lint-imports --no-cache

spelling: dev
	$(BIN)/codespell $(CODE) *.md

coverage: dev ## all tests, with the share of lines and branches they run
	$(MAKE) test ARGS="--cov --cov-report=term:skip-covered $(ARGS)"

docs: dev ## write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

docs-check: dev
	$(BIN)/python docs/generate.py --check

evaluate: setup ## the check suite: its gates, and the published figures once more
	$(BIN)/tadoru evaluate --suite check --against heuristics/accuracy.json $(ARGS)

# Real blocks to report on, where they are there.
REAL := $(wildcard ../shared/data)
accuracy: dev ## score every suite, and publish the figures: heuristics/accuracy.json, docs/accuracy.md, docs/rules.md
	$(BIN)/tadoru evaluate --suite all --out .cache/accuracy $(REAL:%=--real %) $(ARGS)
	cp .cache/accuracy/accuracy.json heuristics/accuracy.json
	$(BIN)/python docs/generate.py

bench: dev ## the figures of docs/log.md, into bench/results.json
	$(BIN)/python -m bench $(ARGS)

# -- keep -----------------------------------------------------------------------------------------------------------

COMPILE := .cache/lock/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-options --strip-extras --allow-unsafe
lock: ## resolve the dependencies of pyproject.toml anew; UPGRADE=--upgrade takes newer versions
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip --disable-pip-version-check install --quiet pip-tools
	$(COMPILE) $(UPGRADE) --extra=dev --extra=postgres --output-file=requirements/dev.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --output-file=requirements/runtime.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --only-build-deps --build-deps-for=editable --build-deps-for=wheel \
		--output-file=requirements/build.txt pyproject.toml

clean: ## remove caches and reports; the environment, the data and the test node stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks .coverage* dist .cache/lock
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
