"""Compares a training that is killed many times with an undisturbed one: the weights must be identical.

Half of the signals are SIGKILL, half SIGTERM, at random moments: while it starts, trains, saves or evaluates.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from engine.errors import InputError

_SIZE = "--backbone_weights none --crop_size 64 --batch_size 2 --workers 1 --accelerator cpu"
_EXTRAS = "--ema 0.99 --accumulate 2 --clip_norm 5 --class_uniform 0.5 --save_minutes 0 --curves none"
_TIMING_FIELDS = {"images_per_second", "seconds", "data_wait", "process_memory_mib"}
"""Columns of the history that may differ, because they depend on the time or on the machine."""


def run(samples: Path, kills: int = 20, epochs: int = 10, images: int = 16, network: str = "fcn8s") -> dict[str, Any]:
    """Train twice on a synthetic data set, once undisturbed and once with kills, and compare.

    Raises:
        InputError: if a training fails without being killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        root, saved = Path(folder) / "data", Path(folder) / "saved"
        _python("-m", "cityscapes.demo", "--root", str(root), "--train", str(images), "--val", "3", "--test", "1")
        _python("generate_gt.py", "--root", str(root))
        arguments = ["train_fcn.py", "--root", str(root), "--saved", str(saved), "--epochs", str(epochs)]
        options = ["--network", network, *_SIZE.split(), *_EXTRAS.split()]
        arguments += options
        began = time.monotonic()
        _python(*arguments, "--name", "whole")
        seconds = time.monotonic() - began
        signals_sent = _kill([*arguments, "--name", "killed"], kills, seconds)
        whole, killed = saved / "whole", saved / "killed"
        return {
            "what": "train with kills at random moments, resume after each, and compare with an undisturbed training",
            "training": " ".join([*options, "--epochs", str(epochs)]),
            "images": images,
            "kills": {name: signals_sent.count(name) for name in ("SIGKILL", "SIGTERM")},
            "identical": {
                "last.pth": _same_state(whole / "last.pth", killed / "last.pth"),
                "best.pth": _same_state(whole / "best.pth", killed / "best.pth"),
                "history": _history(whole) == _history(killed),
            },
        }


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    counts = ", ".join(f"{number} x {name}" for name, number in record["kills"].items())
    same = ", ".join(f"{name} {'identical' if equal else 'DIFFERS'}" for name, equal in record["identical"].items())
    return f"{counts}: {same}"


def _kill(arguments: Sequence[str], kills: int, seconds: float) -> list[str]:
    """Start and kill a training up to the given number of times, then let it finish; return the signals in their order.

    Args:
        arguments: the training command.
        kills: number of signals.
        seconds: time of the undisturbed training, including its start. Moments are drawn so that all signals reach a
            training that is still running.
    """
    rng = random.Random(0)
    signals_sent: list[str] = []
    ready = _seconds_to_start(arguments)
    share = max(0.0, seconds - ready) / kills
    while len(signals_sent) < kills:
        name = ("SIGKILL", "SIGTERM")[len(signals_sent) % 2]
        with _start(arguments) as process:
            try:
                process.wait(rng.uniform(0.7 * ready, ready + 1.6 * share))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.Signals[name])
                process.wait()
                signals_sent.append(name)
                _require_killed(process, name)
                continue
        if process.returncode:
            raise InputError(f"{' '.join(arguments)}: ended with code {process.returncode}")
        break  # the training finished before it could be killed
    _python(*arguments)
    return signals_sent


def _require_killed(process: "subprocess.Popen[bytes]", name: str) -> None:
    """Check that a process was ended by the signal, with or without saving first, or had just finished.

    Raises:
        InputError: if it failed in another way.
    """
    number = signal.Signals[name]
    if process.returncode not in (0, -number, 128 + number):
        raise InputError(f"after {name} the training ended with code {process.returncode}")


def _seconds_to_start(arguments: Sequence[str]) -> float:
    """Seconds until a new run has written its first state and training begins."""
    last = Path(arguments[arguments.index("--saved") + 1]) / arguments[arguments.index("--name") + 1] / "last.pth"
    began = time.monotonic()
    with _start(arguments) as process:
        while not last.is_file():
            if process.poll() is not None:
                raise InputError(f"{' '.join(arguments)}: ended with code {process.returncode} before it began")
            time.sleep(0.05)
        seconds = time.monotonic() - began
        process.kill()
    return seconds


def _start(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=REPOSITORY, env=environment, stdout=nothing, stderr=nothing
    )


def _python(*arguments: str) -> None:
    with _start(arguments) as process:
        process.wait()
    if process.returncode:
        raise InputError(f"{' '.join(arguments)}: ended with code {process.returncode}")


def _same_state(left: Path, right: Path) -> bool:
    """Whether two files of weights or training states are equal in every bit, apart from the timing fields."""
    import torch

    ours, theirs = (torch.load(path, weights_only=True) for path in (left, right))
    return _equal(ours, theirs)


def _equal(left: Any, right: Any) -> bool:
    import torch

    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            _equal(left[key], right[key]) for key in left.keys() - _TIMING_FIELDS
        )
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def _history(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in _TIMING_FIELDS} for line in lines]
