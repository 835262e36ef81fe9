# Every target works on a fresh machine: it sets up .venv first. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
CONSTRAINTS ?=
CONSTRAINED = $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/installed  ## create .venv with everything in it (once); CONSTRAINTS=constraints.txt for the versions tested

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]" $(CONSTRAINED)
	@touch $@

.PHONY: demo
demo: setup  ## the whole pipeline on a synthetic data set, on the CPU, in a few minutes
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
	@printf '\n--- where to look ---\n'
	@printf '%s\n' \
	  'the run        saved/demo/ (history.jsonl, curves.png, best.pth)' \
	  'scores         outputs/demo/val/scores.json, untrained outputs/demo-untrained-last/val/scores.json' \
	  'figures        outputs/demo/val/figures/, outputs/demo/images/predictions.gif' \
	  'overlays       outputs/demo/images/overlays/' \
	  'profile        outputs/demo/test/profile.json' \
	  'submission     outputs/demo/test/submission.zip'

.PHONY: test
test: setup  ## run the tests
	$(BIN)/python -m pytest

.PHONY: torture
torture: setup  ## faults of the disk, kills, hostile and random files in every command, twenty minutes; TORTURE="--share 0.1"
	-$(BIN)/python -m pip install --quiet --only-binary :all: "atheris>=3"
	nice $(BIN)/python -m tests.reliability $(TORTURE)

.PHONY: check
check: setup  ## linter, formatter, strict type checker, spelling and prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(if $(wildcard tests/test_prose.py),$(BIN)/python -m pytest -q tests/test_prose.py)

.PHONY: format
format: setup  ## fix what the linter can fix, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: coverage
coverage: setup  ## run the tests and report which lines they reach; fails below the floor in pyproject.toml
	$(BIN)/python -m pytest --cov

.PHONY: docs
docs: setup  ## the pages and the reference of all commands, as HTML in build/docs
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs]" $(CONSTRAINED)
	$(BIN)/python -m sphinx -W --keep-going -q -c docs . build/docs

.PHONY: installed
installed:  ## build the wheel, install it, and run its commands from an empty folder: without torch, then with
	tests/installed.sh

.PHONY: rehearse
rehearse: setup  ## every line of `python -m bench gpu` at toy size, on the CPU
	$(BIN)/python -m bench gpu --rehearse

.PHONY: bench
bench: setup  ## side-by-side speed measurements against the reference tools
	$(BIN)/python -m bench
