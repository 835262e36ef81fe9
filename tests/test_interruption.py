"""Signals, kills within an epoch, and several processes: the weights are those of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import train_fcn
from cityscapes.layout import pictured_scenes

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
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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
    settings = [*settings, "--save_minutes", "1000", "--epochs", "6"]  # long enough to be met by the signal
    assert train_fcn.main([*settings, "--name", "whole"]) == 0
    with start(*settings, "--name", "stopped") as process:
        while not (tmp_path / "stopped" / "last.pth").is_file():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(number)
        _, error = process.communicate()
    assert process.returncode == 128 + number
    assert "saved in epoch" in error
    assert "run the same command to go on" in error
    assert "Traceback" not in error
    assert place(tmp_path / "stopped") != (0, 0)
    assert train_fcn.main([*settings, "--name", "stopped"]) == 0
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_two_processes_evaluate_as_one(demo_root: Path, tmp_path: Path) -> None:
    """Each of the three validation images counts once, though three is odd."""
    assert len(pictured_scenes(demo_root, "val")) == 3
    arguments = [
        *("train_fcn.py", "--root", str(demo_root), "--saved", str(tmp_path), "--network", "fcn8s_vgg16"),
        *("--backbone_weights", "none", "--epochs", "1", "--learning_rate", "1e-3", "--crop_size", "64"),
        *("--optimizer", "sgd", "--workers", "0", "--accelerator", "cpu", "--augmentation", "none"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    one = [sys.executable, *arguments, "--name", "one", "--batch_size", "2"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    two = [*torchrun, *arguments, "--name", "two", "--batch_size", "1"]
    for command in (one, two):
        subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    rows = [json.loads((tmp_path / name / "history.jsonl").read_text()) for name in ("one", "two")]
    assert rows[0]["train_loss"] == pytest.approx(rows[1]["train_loss"], rel=1e-4)
    assert rows[0]["val_loss"] == pytest.approx(rows[1]["val_loss"], rel=1e-4)
    assert rows[0]["val_iou"] == pytest.approx(rows[1]["val_iou"], abs=1e-3)
