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
check: setup  ## linter, formatter and strict type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: rehearse
rehearse: setup  ## every line of `python -m bench gpu` at toy size, on the CPU
	$(BIN)/python -m bench gpu --rehearse

.PHONY: bench
bench: setup  ## side-by-side speed measurements against the reference tools
	$(BIN)/python -m bench
