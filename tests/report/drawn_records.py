"""Drawn records of a run in the form that the commands write: options, history, profiles and agreement."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cityscapes.ground_truth.agreement import Agreement, PixelCounts, as_csv
from cityscapes.labels import LABELS, LabelTable
from engine.files.atomic import write_json, write_text

CLASSES = 19
NETWORKS = {
    "fcn8s": (9_354_329, 4_940_749_312, 71.6),
    "unet": (31_038_803, 24_121_442_304, 264.0),
    "fcn8s_vgg16": (14_763_843, 80_243_000_000, 420.0),
    "deeplabv3plus_resnet50": (39_800_000, 61_000_000_000, 310.0),
    "segformer_b0": (3_720_000, 7_900_000_000, 96.0),
}
"""Network -> parameters, MACs, and milliseconds of an image."""
COMMITS = ("c1fde47ef5e5", "c666d3f6fb44", "762f73f00a11")


def config(name: str, root: Path, network: str, number: int, **more: Any) -> dict[str, Any]:
    """Options of a training, in the order of config.yaml."""
    return {
        "epochs": 12,
        "batch_size": 4 + 4 * (number % 3),
        "accumulate": 1,
        "crop_size": 128,
        "augmentation": "default" if number % 2 else "strong",
        "class_uniform": 0.0,
        "loss": "cross_entropy" if number % 4 else "ohem",
        "label_smoothing": 0.0,
        "class_weights": "none",
        "optimizer": "adamw",
        "momentum": 0.9,
        "learning_rate": 0.002 / (1 + number % 4),
        "backbone_rate": 1.0,
        "freeze_backbone": False,
        "weight_decay": 0.01,
        "learn_upsampling": False,
        "clip_norm": 0.0,
        "ema": 0.0,
        "schedule": "poly",
        "seed": number,
        "compile": False,
        "cuda_graph": True,
        "workers": 1,
        "cache": None,
        "data_on": "auto",
        "validate_every": 1,
        "metrics_every": 1,
        "save_minutes": 10.0,
        "save_every": 0,
        "curves": "png",
        "logger": "tensorboard",
        "root": str(root),
        "benchmark": "cityscapes",
        "train_split": "train",
        "val_split": "val",
        "network": network,
        "backbone_weights": "none",
        "initial_weights": None,
        "name": name,
        "saved": "saved",
        "accelerator": "cpu",
        "precision": "auto",
        "verbose": 0,
        **more,
    }


def environment(number: int, *command: str) -> dict[str, Any]:
    """Commit, versions and hardware of a start."""
    return {
        "began": f"2026-11-{1 + number % 27:02}T08:30:00+00:00",
        "commit": COMMITS[number % len(COMMITS)],
        "python": "3.11.7",
        "packages": {"cityscapes-fcn": "0.1.0", "torch": "2.14.1", "numpy": "2.4.6", "openvino": "2026.4.1"},
        "system": "Linux x86_64",
        "cpu": "AMD EPYC",
        "cpu_count": 2,
        "threads": 2,
        "memory_gib": 23.5,
        "cuda": "13.0",
        "gpus": [],
        "command": list(command),
    }


def history(epochs: int, rate: float, ious: Sequence[float | None], seed: int) -> list[dict[str, Any]]:
    """Rows of the epochs; the validated classes approach `ious`. The third epoch was not validated."""
    rng, rows = np.random.default_rng([11, seed]), []
    for epoch in range(1, epochs + 1):
        share, ease = epoch / epochs, 1 - math.exp(-4 * epoch / epochs)
        row: dict[str, Any] = {"epoch": epoch, "learning_rate": rate * max(0.0, 1 - 0.95 * share) ** 0.9}
        for split, height in (("train", 1.0), ("val", 0.93)):
            values = [
                None if iou is None else float(np.clip(iou * height * ease + rng.normal(0, 0.01), 0, 1)) for iou in ious
            ]
            row |= _metrics(split, values, 0.15 + 2 * math.exp(-4 * share) + rng.uniform(0, 0.08))
        if epoch == 3:
            row |= dict.fromkeys((name for name in row if name.startswith("val_") and name != "val_iou"), None)
            row["val_iou"] = [None] * len(ious)
        rows.append(
            row
            | {
                "images_per_second": 10.4 + rng.uniform(0, 1),
                "data_wait": 0.02,
                "gpu_memory_mib": None,
                "process_memory_mib": 1068.27734375 + epoch,
                "seconds": 5.5,
            }
        )
    return rows


def _metrics(split: str, ious: Sequence[float | None], loss: float) -> dict[str, Any]:
    known = [iou for iou in ious if iou is not None]
    mean = sum(known) / len(known)
    figures = {
        "loss": loss,
        "miou": mean,
        "mean_dice": sum(2 * iou / (1 + iou) for iou in known) / len(known),
        "mean_pixel_accuracy": min(1.0, mean + 0.1),
        "pixel_accuracy": min(1.0, mean + 0.2),
        "iou": list(ious),
    }
    return {f"{split}_{name}": value for name, value in figures.items()}


def write_run(
    folder: Path, options: Mapping[str, Any], started: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write the records of a run folder, and files in place of its weights."""
    write_text(folder / "config.yaml", yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True))
    write_json(folder / "environment.json", [started])
    write_text(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    for name in ("best.pth", "last.pth"):
        write_text(folder / name, f"not weights, but a drawn file: {options['name']} {name}\n")


def stage_profile(network: str, size: str, number: int) -> dict[str, Any]:
    """`profile.json` of test_fcn.py."""
    forward = NETWORKS[network][2] * (1 + number % 5 / 10)
    stages = {"decode": 14.0, "transfer": 0.4, "forward": forward, "fetch": 0.2, "encode": 9.0}
    stages["total"] = sum(stages.values())
    return {
        "protocol": "batch size 1, one image after the other, device synchronised before each clock reading",
        "device": "AMD EPYC",
        "precision": "32-true",
        "image_size": [size],
        "images": 6,
        "warm_up": 2,
        "milliseconds": {name: {"median": value, "p95": 1.1 * value} for name, value in stages.items()},
        "memory_mib": {"allocated": None, "reserved": 21.0 + number, "process": 785.1875 + number, "host": None},
        "not_measured": {"allocated": "OpenVINO does not say what it allocates"},
        "environment": environment(number, "test_fcn.py"),
        "gpu_idle_share_of_prediction": None,
    }


def network_profile(network: str, size: tuple[int, int] = (128, 256)) -> dict[str, Any]:
    """An entry of the output of profile_fcn.py."""
    parameters, macs, latency = NETWORKS[network]
    flops, traffic, peak, bandwidth = 2 * macs, 8 * parameters, 218e9 * 8, 36e9
    seconds = latency / 1000
    throughput = [
        {"batch_size": size, "images_per_second": (0.9 + 0.1 * size) / seconds, "joules_per_image": None}
        for size in (1, 2, 4)
    ]
    stages = {"decode": 0.75, "transfer": 0.07, "forward": latency, "fetch": 0.03, "encode": 0.41}
    stages["total"] = sum(stages.values())
    return {
        "network": network,
        "classes": CLASSES,
        "size": list(size),
        "device": "AMD EPYC",
        "engine": "openvino",
        "precision": "32-true",
        "asked_precision": "auto",
        "compiled": False,
        "protocol": "forward: median of repeats after warm-up; random weights; synthetic images",
        "repeats": 5,
        "warm_up": 2,
        "parameters": parameters,
        "macs": macs,
        "latency_ms": {
            "median": latency,
            "least": 0.95 * latency,
            "quartile_1": 0.98 * latency,
            "quartile_3": 1.02 * latency,
            "most": 1.2 * latency,
        },
        "throughput": {"tried": throughput, "best": throughput[-1]},
        "stages_ms": {name: {"median": value, "p95": 1.1 * value} for name, value in stages.items()},
        "memory_mib": {"allocated": None, "reserved": 21.0, "process": 912.3},
        "not_measured": {"allocated": "OpenVINO does not say what it allocates"},
        "roofline": {
            "peak_flops_per_second": peak,
            "peak_bytes_per_second": bandwidth,
            "least_bytes": traffic,
            "achieved_flops_per_second": flops / seconds,
            "share_of_peak_flops": flops / seconds / peak,
            "share_of_peak_bandwidth": traffic / seconds / bandwidth,
            "floor_ms": 1000 * max(flops / peak, traffic / bandwidth),
            "times_the_floor": seconds / max(flops / peak, traffic / bandwidth),
        },
        "environment": environment(0, "profile_fcn.py"),
    }


def write_agreement(path: Path, stems: Sequence[str]) -> None:
    """Write agreement.csv of generate_gt.py, with differences in some labels and images."""
    rng = np.random.default_rng(5)
    labels = {
        label.id: PixelCounts(1000 * (label.id + 1), label.id % 5, 100, label.id % 5 // 2)
        for label in LABELS
        if label.id >= 0
    }
    images = {stem: PixelCounts(32768, int(rng.integers(60, 90)), 6000, int(rng.integers(0, 60))) for stem in stems}
    total = PixelCounts()
    for counts in labels.values():
        total = total.plus(counts)
    table = LabelTable(LABELS)
    write_text(path, as_csv(Agreement(total, labels, images), table))
