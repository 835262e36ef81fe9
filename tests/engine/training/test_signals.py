"""Signals and kills within an epoch do not change the weights."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import train_fcn
from tests.networks import INTERRUPT

REPOSITORY = Path(__file__).parents[3]
KILLED_AT_THE_START = """
import os, signal, time
from torch.utils.data import DataLoader
from engine.training.signals import set_up_worker

training = os.getpid()

def begin_late(worker):
    while os.getppid() == training:
        time.sleep(0.01)
    set_up_worker(worker)

loading = iter(DataLoader([1, 2, 3], num_workers=1, worker_init_fn=begin_late))
os.kill(training, signal.SIGKILL)
"""
EVERYTHING = [
    *("--ema", "0.9", "--accumulate", "2", "--clip_norm", "1", "--batch_size", "1"),
    *("--class_uniform", "0.5", "--class_weights", "median_frequency"),
]


@pytest.fixture
def settings(demo_root: Path, tmp_path: Path) -> list[str]:
    """Three epochs of two steps, each of which is saved."""
    return [
        *("--root", str(demo_root), "--saved", str(tmp_path), "--backbone_weights", "none", "--save_minutes", "0"),
        *("--network", "tests.networks:interrupted", "--epochs", "3", "--batch_size", "2", "--crop_size", "64"),
        *("--workers", "0", "--accelerator", "cpu", "--curves", "none"),
    ]


def assert_same(left: Path, right: Path) -> None:
    for name in ("last.pth", "best.pth"):
        ours, theirs = (torch.load(run / name, weights_only=True)["weights"] for run in (left, right))
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert history(left) == history(right)


def history(run: Path) -> list[dict[str, Any]]:
    """Rows of the history, without times and memory."""
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    clocks = ("images_per_second", "seconds", "data_wait", "process_memory_mib")
    return [{key: row[key] for key in row if key not in clocks} for row in rows]


def steps_done(run: Path) -> tuple[int, int]:
    """Epochs and steps done according to the state."""
    content = torch.load(run / "last.pth", weights_only=True)
    return content["about"]["epoch"], content["steps_done"]


def interrupted(number: signal.Signals, step: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Train in a new process group, all processes of which get a signal in one of the steps."""
    return subprocess.run(
        [sys.executable, "train_fcn.py", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, INTERRUPT: f"{number} {step}"},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def test_a_killed_run_resumes_within_its_epoch(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_fcn.main([*settings, "--name", "whole"]) == 0
    killed = interrupted(signal.SIGKILL, 4, *settings, "--name", "killed")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert steps_done(tmp_path / "killed") == (1, 1)
    assert train_fcn.main([*settings, "--name", "killed"]) == 0
    assert "1 of 3 epochs and 1 steps are done, resuming" in capsys.readouterr().out
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_a_loading_process_ends_if_the_training_is_killed_while_it_starts() -> None:
    """PyTorch's own check needs a training that lives when the process begins to load."""
    command = [sys.executable, "-c", KILLED_AT_THE_START]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr  # and the loading process has closed its pipes


def test_a_signal_saves_and_stops(settings: list[str], tmp_path: Path) -> None:
    """Schedulers signal all processes, including those that load images; after a kill, with every option turned on."""
    settings = [*settings, *EVERYTHING]
    assert train_fcn.main([*settings, "--name", "whole"]) == 0
    stopped = [*settings, "--name", "stopped", "--workers", "1"]
    killed = interrupted(signal.SIGKILL, 3, *stopped)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert steps_done(tmp_path / "stopped") == (0, 2)
    for epoch, number in enumerate((signal.SIGTERM, signal.SIGUSR1), 1):
        # In the third remaining step: two of the epoch of the last state, and one of the next.
        ended = interrupted(number, 3, *stopped, "--save_minutes", "1000")
        assert ended.returncode == 128 + number, ended.stderr
        assert f"saved in epoch {epoch + 1} after step 2" in ended.stderr
        assert "run the same command to resume" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert steps_done(tmp_path / "stopped") == (epoch, 2)
    assert train_fcn.main(stopped) == 0
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_a_signal_stops_a_validation_at_once(
    settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A validation takes minutes, but schedulers wait for seconds. It is repeated after the resume."""
    settings = [*settings, *EVERYTHING, "--save_minutes", "1000"]
    assert train_fcn.main([*settings, "--name", "whole"]) == 0
    # At the second of three images; then in the epoch after the repeated validation; then in the last epoch.
    for epoch, image in ((1, 2), (2, 4), (3, 5)):
        monkeypatch.setenv(INTERRUPT, f"{signal.SIGTERM:d} {-image}")
        capsys.readouterr()
        assert train_fcn.main([*settings, "--name", "stopped"]) == 128 + signal.SIGTERM
        printed = capsys.readouterr()
        assert f"saved in epoch {epoch} before its validation, which was interrupted; run the" in printed.err
        assert printed.out.endswith(f"\nnext: python train_fcn.py {shlex.join([*settings, '--name', 'stopped'])}\n")
        assert steps_done(tmp_path / "stopped") == (epoch - 1, 4)
        assert len(history(tmp_path / "stopped") if epoch > 1 else []) == epoch - 1
    monkeypatch.delenv(INTERRUPT)
    assert train_fcn.main([*settings, "--name", "stopped"]) == 0
    assert "2 of 3 epochs and" in capsys.readouterr().out
    assert_same(tmp_path / "stopped", tmp_path / "whole")
