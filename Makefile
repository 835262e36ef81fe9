# Every target works on a fresh machine: it sets up .venv first. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/installed  ## create .venv with everything in it (once)

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@

.PHONY: demo
demo: setup  ## the whole pipeline on a synthetic data set, on the CPU, in a few minutes
	PATH="$(CURDIR)/$(BIN):$$PATH" ./demo.sh

.PHONY: test
test: setup  ## run the tests
	$(BIN)/python -m pytest

.PHONY: check
check: setup  ## linter, formatter and strict type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: bench
bench: setup  ## side-by-side speed measurements against the reference tools
	$(BIN)/python -m bench
