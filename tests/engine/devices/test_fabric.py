"""Distributed training with several processes, started by torchrun and by SLURM's srun."""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import catalogue.weights
import train_fcn
from cityscapes.dataset import CityscapesBenchmark
from cityscapes.layout import scenes_with_image
from engine.devices.fabric import make_fabric
from engine.errors import InputError
from engine.normalization import Normalize
from engine.training.evaluation import Evaluator
from engine.training.losses import build_loss

REPOSITORY = Path(__file__).parents[3]
PROGRAM = """
import torch
from engine.cli.command import exit_process
from engine.devices.fabric import all_sum, make_fabric
from engine.training.metrics import EpochMetrics

fabric = make_fabric("cpu", "32-true")
assert fabric.world_size == 2

def barrier(*_args, **_kwargs):
    raise SystemExit("a barrier, in which the host waits")

torch.distributed.barrier = barrier
metrics = EpochMetrics(2, 255, fabric.device)
logits = torch.tensor([[[[1.0]], [[0.0]]]])
metrics.add(torch.tensor(1.0), logits, torch.zeros(1, 1, 1, dtype=torch.int64))
for _ in range(3):
    state = metrics.state(fabric)
    assert state["losses"].tolist() == [2.0, 2.0], state
    assert state["counts"].sum() == 2, state
values = torch.ones(2)
assert all_sum(fabric, values).tolist() == [2.0, 2.0]
assert values.tolist() == [1.0, 1.0]
exit_process(0)  # as commands end: gloo's threads may abort a process that tears Python down
"""


def last_row(run: Path) -> dict[str, Any]:
    """The last row of the history of a run."""
    row: dict[str, Any] = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    return row


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, as in each of the processes here."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def evaluated_by_one(run: Path, root: Path, loss: str = "cross_entropy") -> dict[str, Any]:
    """Metrics that one process measures with the weights of a run."""
    fabric = make_fabric("cpu", "32-true")
    network, about, _ = catalogue.weights.load_network(run / "best.pth")
    network = network.to(memory_format=torch.channels_last).eval()
    normalize = Normalize(about.mean, about.std)
    benchmark = CityscapesBenchmark()
    with one_thread():
        value, metrics, _ = Evaluator(fabric, benchmark, benchmark.samples(root, "val"), workers=0)(
            lambda images: network(normalize(images).contiguous(memory_format=torch.channels_last)),
            build_loss(loss, 255),
        )
    iou = [None if math.isnan(iou) else iou for iou in metrics.iou]
    return {f"val_{name}": figure for name, figure in {"loss": value, **metrics.summary(), "iou": iou}.items()}


def tasks(*words: str) -> "list[subprocess.Popen[str]]":
    """Start two processes like SLURM's srun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_JOB_ID": "17",
        "SLURM_STEP_ID": "0",
        "SLURM_JOB_NAME": "train",
        "SLURM_NODELIST": "localhost",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    return [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=REPOSITORY,
            env={**os.environ, **shared, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def test_two_processes_train_and_evaluate_as_one(demo_root: Path, tmp_path: Path) -> None:
    """Each of the three validation images counts once, although three is odd."""
    assert len(scenes_with_image(demo_root, "val")) == 3
    arguments = [
        *("--root", str(demo_root), "--saved", str(tmp_path), "--network", "tests.networks:plain", "--epochs", "1"),
        *("--backbone_weights", "none", "--learning_rate", "1e-3", "--crop_size", "64", "--optimizer", "sgd"),
        *("--workers", "0", "--accelerator", "cpu", "--augmentation", "none", "--curves", "none"),
    ]
    with one_thread():
        assert train_fcn.main([*arguments, "--name", "one", "--batch_size", "2"]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "train_fcn.py"]
    two = [*torchrun, *arguments, "--name", "two", "--batch_size", "1"]
    subprocess.run(two, cwd=REPOSITORY, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True)
    rows = [json.loads((tmp_path / name / "history.jsonl").read_text()) for name in ("one", "two")]
    assert rows[0]["train_loss"] == pytest.approx(rows[1]["train_loss"], rel=1e-4)
    assert rows[0]["val_loss"] == pytest.approx(rows[1]["val_loss"], rel=1e-4)
    assert rows[0]["val_iou"] == pytest.approx(rows[1]["val_iou"], abs=1e-3)
    for name, row in zip(("one", "two"), rows, strict=True):
        measured = evaluated_by_one(tmp_path / name, demo_root)
        assert measured == {key: row[key] for key in measured}, "to the last digit"


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    return [
        *("--network", "bench.tiny:build", "--backbone_weights", "none", "--epochs", "1", "--crop_size", "64"),
        *("--saved", str(tmp_path)),
        *("--batch_size", "1", "--workers", "0", "--accelerator", "cpu", "--curves", "none", "--name", "two"),
    ]


def test_tasks_of_slurm_share_the_work(demo_root: Path, quick: list[str], tmp_path: Path) -> None:
    """Batch statistics differ between processes in training, but must be equal in evaluation."""
    processes = tasks("train_fcn.py", *quick, "--root", str(demo_root))
    printed = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert "2 processes" in printed[0][0]
    row = last_row(tmp_path / "two")
    measured = evaluated_by_one(tmp_path / "two", demo_root)
    assert measured == {key: row[key] for key in measured}, "to the last digit"


def test_a_process_that_fails_ends_the_job(demo_root: Path, quick: list[str], tmp_path: Path) -> None:
    root = Path(shutil.copytree(demo_root, tmp_path / "data"))
    damaged = scenes_with_image(root, "val")[1].image(root)  # the second process evaluates this one
    damaged.write_bytes(damaged.read_bytes()[:5000])
    processes = tasks("train_fcn.py", *quick, "--root", str(root))
    errors = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2], errors
    assert f"error: process 1 of 2: {damaged}: damaged image" in errors[1]
    assert "error: process 0 of 2: stopped because another process has ended" in errors[0]
    assert not any("Traceback" in error for error in errors)


@pytest.mark.parametrize(
    ("missing", "expected"), [("SLURM_STEP_ID", "without srun"), ("SLURM_NTASKS_PER_NODE", "--ntasks-per-node")]
)
def test_slurm_settings_that_would_hang(missing: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {"SLURM_NTASKS", "SLURM_STEP_ID", "SLURM_NTASKS_PER_NODE"} - {missing}:
        monkeypatch.setenv(name, "2")
    with pytest.raises(InputError, match=expected):
        make_fabric("cpu", "32-true")


def test_one_task_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES"):
        monkeypatch.setenv(name, "1")
    for name in ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_ID"):
        monkeypatch.setenv(name, "0")
    fabric = make_fabric("cpu", "32-true")
    assert (fabric.world_size, fabric.global_rank) == (1, 0)


def test_sums_over_processes_do_not_change_their_arguments() -> None:
    """With Fabric's `all_reduce`, which works in place, a second save within an epoch counted everything twice."""
    processes = tasks("-c", PROGRAM)
    errors = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
