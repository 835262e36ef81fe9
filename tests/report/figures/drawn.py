"""Records of runs and results, as the sources of a report make them."""

from pathlib import Path
from typing import Any

import numpy as np

from engine import image_counts
from engine.arrays import Int64Array
from engine.image_counts import ImageCounts
from report.records import (
    Agreement,
    AgreementRow,
    ClassScore,
    Confusion,
    NetworkProfile,
    Published,
    Report,
    Result,
    ResultScores,
    Run,
    StageProfile,
)

CLASSES = ("road", "sidewalk", "building", "person", "car")

PUBLISHED = Published(
    "FCN-8s & more",
    "cityscapes",
    "val",
    0.65,
    {},
    {},
    "trained on train, 50 % of the resolution",
    "Long et al. 2015",
    "https://arxiv.org/abs/1411.4038",
    500.0,
    "Titan X",
)


def agreement() -> Agreement:
    labels = [AgreementRow("label", name, 1000, 5 * number, 100, 4 * number) for number, name in enumerate(CLASSES)]
    return Agreement(Path("data/masks/agreement.csv"), (AgreementRow("all", "all", 5000, 50, 500, 40), *labels))


def network(name: str = "fcn8s") -> NetworkProfile:
    content = {
        "network": name,
        "classes": 19,
        "size": [128, 256],
        "device": "AMD EPYC",
        "engine": "openvino",
        "precision": "32-true",
        "compiled": False,
        "parameters": 9_354_329,
        "macs": 4_940_749_312,
        "latency_ms": {"median": 71.6, "least": 68.3, "quartile_1": 70.9, "quartile_3": 72.4, "most": 75.9},
        "throughput": {"best": {"batch_size": 16, "images_per_second": 20.1, "joules_per_image": None}},
        "stages_ms": dict(stages().stages),
        "memory_mib": {"allocated": None, "reserved": 21.0, "process": 912.0},
        "not_measured": {"allocated": "OpenVINO does not say what it allocates"},
        "roofline": {
            "peak_flops_per_second": 2.1e11,
            "peak_bytes_per_second": 7.3e10,
            "least_bytes": 70_000_000,
            "achieved_flops_per_second": 1.4e11,
            "share_of_peak_flops": 0.63,
            "share_of_peak_bandwidth": 0.03,
            "times_the_floor": 1.6,
        },
    }
    return NetworkProfile(Path("outputs/profile.json"), name, content)


def history(epochs: int = 6, better: float = 0.0) -> tuple[dict[str, Any], ...]:
    rows = []
    for epoch in range(1, epochs + 1):
        row: dict[str, Any] = {"epoch": epoch, "learning_rate": 0.01 / epoch}
        for split in ("train", "val"):
            score = min(0.9, 0.1 + 0.1 * epoch + better)
            figures = ("miou", "mean_dice", "pixel_accuracy", "mean_pixel_accuracy")
            row |= {f"{split}_loss": 2.0 / epoch, **{f"{split}_{name}": score for name in figures}}
            row[f"{split}_iou"] = [score] * len(CLASSES)
        rows.append(row)
    return tuple(rows)


def confusion(seed: int = 0, classes: int = len(CLASSES)) -> Int64Array:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 50, (classes, classes + 1))
    counts[range(classes), range(classes)] += 300
    return counts.astype(np.int64)


def images(seed: int = 0, number: int = 8, classes: int = len(CLASSES)) -> tuple[ImageCounts, ...]:
    rng = np.random.default_rng(seed)
    union = rng.integers(50, 100, (number, classes))
    return tuple(ImageCounts(f"scene_{i}", (u * rng.uniform(0.3, 1)).astype(np.int64), u) for i, u in enumerate(union))


def scores(seed: int = 0, names: tuple[str, ...] = CLASSES, **others: Any) -> ResultScores:
    counts = images(seed, classes=len(names))
    totals = image_counts.total_scores(counts)
    classes = tuple(
        ClassScore(name, {"IoU": float(iou), "iIoU": 0.8 * float(iou)}, image_counts.interval(counts))
        for name, iou in zip(names, totals, strict=True)
    )
    average = float(totals.mean())
    fields: dict[str, Any] = {
        "path": Path("outputs/scores.json"),
        "task": "pixel",
        "classes": classes,
        "averages": {"IoU": average, "iIoU": 0.8 * average, "category IoU": 0.9, "category iIoU": 0.7},
        "interval": image_counts.interval(counts),
        "images": counts,
        "confusion": Confusion(names, (*names, "no class"), confusion(seed, len(names))),
        "coverage": "8 images",
        "official": False,
    }
    return ResultScores(**fields | others)


def stages(forward: float = 70.0) -> StageProfile:
    medians = {"decode": 1.0, "transfer": 0.1, "forward": forward, "fetch": 0.05, "encode": 0.5}
    medians["total"] = sum(medians.values())
    return StageProfile(
        Path("outputs/profile.json"),
        {name: {"median": value, "p95": 1.2 * value} for name, value in medians.items()},
        {"allocated": None, "reserved": 21.0, "process": 900.0},
        "AMD EPYC",
        "32-true",
        "256x128",
        6,
        {},
    )


def result(name: str, seed: int = 0, **others: Any) -> Result:
    fields: dict[str, Any] = {"scores": scores(seed), "profile": stages(40 + 10 * seed), "modified": "2026-11-20"}
    return Result(f"{name}/val", Path("outputs") / "x" / "val", "best", "val", "cityscapes", **fields | others)


def run(name: str, seed: int = 0, **others: Any) -> Run:
    fields: dict[str, Any] = {
        "folder": Path("saved/x"),
        "status": "complete",
        "progress": "6 of 6 epochs",
        "config": {"network": "fcn8s", "backbone": "vgg16", "benchmark": "cityscapes"},
        "history": history(better=0.02 * seed),
        "environment": {"commit": "0123456789abcdef"},
        "modified": "2026-11-20",
        "classes": CLASSES,
        "results": (result(name, seed),),
        "profiles": (),
        "faults": (),
    }
    return Run(name, **fields | others)


def report(*runs: Run, **others: Any) -> Report:
    fields: dict[str, Any] = {"agreements": (), "published": (), "profiles": (), "faults": ()}
    return Report(runs, **fields | others)
