"""Signals and kills within an epoch: the weights are those of an undisturbed run. And what never becomes a state."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import train_fcn
from engine.training.learner import Learner

REPOSITORY = Path(__file__).parents[1]
EVERYTHING = [
    *("--ema", "0.9", "--accumulate", "2", "--clip_norm", "1"),
    *("--class_uniform", "0.5", "--class_weights", "median_frequency"),
]


@pytest.fixture
def settings(demo_root: Path, tmp_path: Path) -> list[str]:
    """Two epochs of four steps, each of which is saved."""
    return [
        *("--root", str(demo_root), "--saved", str(tmp_path), "--backbone_weights", "none", "--save_minutes", "0"),
        *("--epochs", "2", "--batch_size", "1", "--crop_size", "64", "--workers", "0", "--accelerator", "cpu"),
    ]


def state(run: Path) -> dict[str, torch.Tensor]:
    content = torch.load(run / "last.pth", weights_only=True)
    weights: dict[str, torch.Tensor] = content["weights"]
    return weights


def assert_same(left: Path, right: Path) -> None:
    ours, theirs = state(left), state(right)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "train_fcn.py", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def place(run: Path) -> tuple[int, int]:
    """Epochs and steps done, as the state says."""
    content = torch.load(run / "last.pth", weights_only=True)
    return content["about"]["epoch"], content["place"]


def wait_for_step(run: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the state is one from within an epoch."""
    while not (run / "last.pth").is_file() or place(run)[1] == 0:
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize("extra", [[], EVERYTHING], ids=["plain", "everything"])
def test_a_run_goes_on_within_its_epoch(settings: list[str], tmp_path: Path, extra: list[str]) -> None:
    assert train_fcn.main([*settings, *extra, "--name", "whole"]) == 0
    with start(*settings, *extra, "--name", "killed") as process:
        wait_for_step(tmp_path / "killed", process)
        process.send_signal(signal.SIGKILL)
    assert train_fcn.main([*settings, *extra, "--name", "killed"]) == 0
    assert_same(tmp_path / "killed", tmp_path / "whole")
    losses = [
        [json.loads(line)["train_loss"] for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("killed", "whole")
    ]
    assert losses[0] == losses[1], "the epoch's sums go on too"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_stops(settings: list[str], tmp_path: Path, number: signal.Signals) -> None:
    """As SLURM and others do, to all processes, those that load images too."""
    settings = [*settings, "--save_minutes", "1000", "--epochs", "6", "--workers", "1"]  # long enough to be met by it
    assert train_fcn.main([*settings, "--name", "whole"]) == 0
    with start(*settings, "--name", "stopped") as process:
        while not (tmp_path / "stopped" / "last.pth").is_file():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.3)
        os.killpg(process.pid, number)
        _, error = process.communicate()
    assert process.returncode == 128 + number
    assert "saved in epoch" in error
    assert "run the same command to go on" in error
    assert "Traceback" not in error
    assert place(tmp_path / "stopped") != (0, 0)
    assert train_fcn.main([*settings, "--name", "stopped"]) == 0
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_a_loss_that_is_no_number_never_becomes_a_state(
    settings: list[str], tmp_path: Path, error_of: Callable[..., str]
) -> None:
    """Though every step is saved, and losses are looked at every 50 steps only."""
    wild = [*settings, "--learning_rate", "1e30", "--optimizer", "sgd", "--schedule", "constant", "--name", "wild"]
    message = error_of(train_fcn.main, *wild)
    assert "the loss is nan in epoch 1, step 2, on " in message
    assert place(tmp_path / "wild") == (0, 1)
    assert all(tensor.isfinite().all() for tensor in state(tmp_path / "wild").values())


def test_weights_that_are_no_numbers_never_become_a_state(
    settings: list[str], tmp_path: Path, error_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Learner.step

    def step(self: Learner, *batch: Any, **how: Any) -> tuple[torch.Tensor, torch.Tensor]:
        result = learn(self, *batch, **how)
        if place(tmp_path / "spoilt")[1] == 2:
            with torch.no_grad():
                next(self.network.parameters()).fill_(math.inf)
        return result

    monkeypatch.setattr(Learner, "step", step)
    message = error_of(train_fcn.main, *settings, "--name", "spoilt")
    assert "weights that are NaN or infinite came in epoch 1, step 3, on " in message
    assert place(tmp_path / "spoilt") == (0, 2)
    assert all(tensor.isfinite().all() for tensor in state(tmp_path / "spoilt").values())


def test_more_epochs_go_on_along_the_schedule_of_the_new_number(settings: list[str], tmp_path: Path) -> None:
    for epochs in ("1", "3"):
        assert train_fcn.main([*settings, "--save_minutes", "9", "--epochs", epochs, "--name", "longer"]) == 0
    assert train_fcn.main([*settings, "--save_minutes", "9", "--epochs", "3", "--name", "long"]) == 0
    rates = [
        [json.loads(line)["learning_rate"] for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("longer", "long")
    ]
    assert rates[0][1:] == rates[1][1:]
    assert rates[0][0] < rates[1][0], "the first epoch was the last one when it was trained"
