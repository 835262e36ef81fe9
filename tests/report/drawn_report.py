"""Records of runs with chosen figures, without files, for tests of what the page shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.bootstrap import Interval
from report.records import NetworkProfile, Published, Report, Result, ResultScores, Run, StageProfile, Task


def scores(
    averages: Mapping[str, float | None], *, task: Task = "pixel", interval: tuple[float, float] | None = None
) -> ResultScores:
    """Scores of all images of an official split."""
    return ResultScores(
        path=Path("outputs/best/val/scores.json"),
        task=task,
        classes=(),
        averages=averages,
        interval=None if interval is None else Interval(*interval),
        images=(),
        confusion=None,
        coverage="500 scenes of val, as in the official set",
        official=True,
    )


def stages(forward: float, device: str = "CPU A", size: str = "2048x1024") -> StageProfile:
    """Profile of a prediction, whose files take 20 milliseconds."""
    return StageProfile(
        path=Path("outputs/best/val/profile.json"),
        stages={"forward": {"median": forward, "p95": forward}, "total": {"median": forward + 20, "p95": forward + 20}},
        memory_mib={"process": 785.0, "allocated": None},
        device=device,
        precision="32-true",
        size=size,
        images=10,
        environment={},
    )


def network_profile(network: str, latency: float, device: str = "CPU A", classes: int = 19) -> NetworkProfile:
    """Profile of a network on images of 2048x1024."""
    content = {
        "network": network,
        "classes": classes,
        "size": [1024, 2048],
        "device": device,
        "engine": "openvino",
        "precision": "32-true",
        "compiled": False,
        "parameters": 9_354_329,
        "macs": 4_940_749_312,
        "latency_ms": {"median": latency},
        "stages_ms": {"total": {"median": latency + 9, "p95": latency + 9}},
        "memory_mib": {"process": 912.3, "allocated": None, "reserved": 21.0},
    }
    return NetworkProfile(Path("outputs/profile.json"), network, content)


def result(key: str, of: ResultScores | None, *, weights: str = "best", **more: Any) -> Result:
    """Result of the validation images of Cityscapes."""
    given: dict[str, Any] = {"folder": Path(f"outputs/{key}"), "split": "val", "benchmark": "cityscapes"}
    return Result(key=key, weights=weights, scores=of, **given | more)


def run(name: str, *results: Result, **more: Any) -> Run:
    """Complete run of an FCN for Cityscapes."""
    given: dict[str, Any] = {
        "folder": Path("saved") / name,
        "status": "complete",
        "progress": "2 of 2 epochs",
        "config": {"network": "fcn8s", "benchmark": "cityscapes", "epochs": 2, "learning_rate": 0.002},
        "history": ({"epoch": 1, "val_miou": 0.25}, {"epoch": 2, "val_miou": None}),
        "environment": {"commit": "c1fde47ef5e5", "command": ["train_fcn.py", "--recipe", "demo"]},
        "modified": "2026-11-28",
        "classes": (),
        "profiles": (),
        "faults": (),
    }
    return Run(name=name, results=results, **given | more)


def published(name: str, score: float, **more: Any) -> Published:
    """Published result on the validation images of Cityscapes."""
    given: dict[str, Any] = {
        "benchmark": "cityscapes",
        "split": "val",
        "averages": {},
        "classes": {},
        "protocol": "trained on train",
        "source": "a paper",
        "url": "https://example.org/paper",
    }
    return Published(name=name, score=score, **given | more)


def report(*runs: Run, **more: Any) -> Report:
    """Report of some runs, with nothing else unless given."""
    given: dict[str, Any] = {"agreements": (), "published": (), "profiles": (), "faults": ()}
    return Report(runs=runs, **given | more)
