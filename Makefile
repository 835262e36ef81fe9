# Every target works on a fresh machine, because it sets up .venv first. `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
CONSTRAINTS ?=
CONSTRAINED = $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/installed  ## create .venv with all dependencies (once); CONSTRAINTS=constraints.txt selects the tested versions

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]" $(CONSTRAINED)
	@touch $@

.PHONY: demo
demo: setup  ## run the whole pipeline on a synthetic data set, on the CPU, in a few minutes
	$(BIN)/python -m cityscapes.demo --root data/demo
	$(BIN)/python generate_gt.py --root data/demo
	$(BIN)/python -m cityscapes.doctor --root data/demo
	@printf '\n--- the untrained network ---\n'
	$(BIN)/python train_fcn.py --recipe demo --root data/demo --name demo-untrained --epochs 0
	$(BIN)/python test_fcn.py --model_weights_path saved/demo-untrained/last.pth --root data/demo --split val --profile_images 0
	@printf '\n--- training ---\n'
	$(BIN)/python train_fcn.py --recipe demo --root data/demo --name demo
	@printf '\n--- the trained network ---\n'
	$(BIN)/python test_fcn.py --model_weights_path saved/demo/best.pth --root data/demo --split val --profile_images 0 --figures 3
	$(BIN)/python test_fcn.py --model_weights_path saved/demo/best.pth --root data/demo --images data/demo/leftImg8bit/test --gif 6
	$(BIN)/python test_fcn.py --model_weights_path saved/demo/best.pth --root data/demo
	$(BIN)/python -m cityscapes.submission check outputs/demo/test/submission.zip --root data/demo
	@printf '\n--- results ---\n'
	$(BIN)/python -m report saved outputs data/demo --output outputs/report.html
	@printf '%s\n' \
	  'everything     outputs/report.html: open it in a browser' \
	  'the run        saved/demo/ (history.jsonl, curves.png, best.pth)' \
	  'scores         outputs/demo/val/scores.json, untrained outputs/demo-untrained-last/val/scores.json' \
	  'figures        outputs/demo/val/figures/, outputs/demo/images/predictions.gif' \
	  'overlays       outputs/demo/images/overlays/' \
	  'profile        outputs/demo/test/profile.json' \
	  'submission     outputs/demo/test/submission.zip'

.PHONY: test
test: setup  ## run the tests, on up to four cores at once
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

.PHONY: torture
torture: setup  ## test every command with disk faults, kills, hostile and random files, 20 minutes; TORTURE="--share 0.1"
	-$(BIN)/python -m pip install --quiet --only-binary :all: "atheris>=3"
	nice $(BIN)/python -m tests.reliability $(TORTURE)

.PHONY: check
check: setup  ## run the linter, formatter, strict type checker, spelling check and prose check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(if $(wildcard tests/test_prose.py),$(BIN)/python -m pytest -q tests/test_prose.py)

.PHONY: format
format: setup  ## fix what the linter can fix, and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: coverage
coverage: setup  ## run the tests with line coverage; fails below the floor in pyproject.toml
	$(BIN)/python -m pytest --cov

.PHONY: docs
docs: setup  ## build the pages and the reference of all commands as HTML in build/docs
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs]" $(CONSTRAINED)
	$(BIN)/python -m sphinx -W --keep-going -q -c docs . build/docs

.PHONY: installed
installed:  ## build and install the wheel, and run its commands from an empty folder, without and with torch
	tests/installed.sh

.PHONY: rehearse
rehearse: setup  ## run every part of `python -m bench gpu` at toy size, on the CPU
	$(BIN)/python -m bench gpu --rehearse

.PHONY: bench
bench: setup  ## run side-by-side measurements against reference tools
	$(BIN)/python -m bench
