"""Drawn result files of the three tasks and the records of them, for tests of comparisons."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cityscapes.scoring import tasks
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.instance.average_precision import Detections, ImageDetections
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.result import InstanceResult
from cityscapes.scoring.panoptic.matching import PanopticCounts
from cityscapes.scoring.panoptic.result import PanopticResult
from cityscapes.scoring.pixel.images import NAMES
from cityscapes.tasks import Task
from engine import image_counts
from engine.files.atomic import write_json
from engine.image_counts import ImageCounts
from report.records import ClassScore, Report, Result, ResultScores, Run

STEMS = tuple(f"frankfurt_{number:06}_000019" for number in range(12))


def pixel_content(quality: float, seed: int, stems: Sequence[str] = STEMS) -> dict[str, Any]:
    """A result of the pixel task with the keys that a comparison reads; the last class occurs in one image alone."""
    rng = np.random.default_rng(seed)
    images = {}
    for number, stem in enumerate(stems):
        unions = rng.integers(200, 2000, len(NAMES))
        unions[-1] = 500 if number == 0 else 0
        hits = (unions * np.clip(rng.normal(quality, 0.05, len(NAMES)), 0, 1)).astype(int)
        images[stem] = {"hits": hits.tolist(), "unions": unions.tolist()}
    totals = image_counts.total_scores(image_counts.from_json(images, len(NAMES))).tolist()
    scores = dict(zip(NAMES, totals, strict=True))
    return {
        "classScores": scores,
        "classInstScores": {name: 0.9 * scores[name] if name in CLASSES else None for name in NAMES},
        "averageScoreClasses": sum(totals) / len(totals),
        "images": images,
    }


def instance_content(quality: float, seed: int, stems: Sequence[str] = STEMS) -> dict[str, Any]:
    """A result of the instance task."""
    rng = np.random.default_rng(seed)
    images = tuple(ImageDetections(stem, tuple(_detections(rng, quality) for _ in CLASSES)) for stem in stems)
    return InstanceResult(images, np.zeros((10, 9), np.int64), _coverage(stems)).to_json()


def _detections(rng: np.random.Generator, quality: float) -> Detections:
    number = int(rng.integers(1, 5))
    outcomes = (rng.random((number, 1)) < quality - np.arange(10) * 0.05).astype(np.int8)
    return Detections(np.round(rng.uniform(0.3, 1, number), 6), outcomes, number + 1)


def panoptic_content(quality: float, seed: int, stems: Sequence[str] = STEMS) -> dict[str, Any]:
    """A result of the panoptic task."""
    rng, images = np.random.default_rng(seed), []
    for stem in stems:
        found = rng.integers(0, 4, len(NAMES))
        iou = found * rng.uniform(0.5 + quality / 4, 0.5 + quality / 2, len(NAMES))
        wrong = rng.integers(0, 3, (2, len(NAMES)))
        images.append(PanopticCounts(stem, iou, found, *wrong))
    return PanopticResult(tuple(images), _coverage(stems)).to_json()


def _coverage(stems: Sequence[str]) -> Coverage:
    return Coverage.of("val", stems, Counter({(128, 64): len(stems)}), 0)


CONTENT = {"pixel": pixel_content, "instance": instance_content, "panoptic": panoptic_content}
"""Task -> the function that draws a result of it."""


def scores_in(path: Path, task: Task, content: dict[str, Any]) -> ResultScores:
    """Write a result file, and read its scores as the record of them."""
    write_json(path, content)
    result = tasks.compare(path, path).first
    names = NAMES if task != "instance" else CLASSES
    figures = {figure: dict(of) for figure, of in result.figures.items()}
    classes = [
        ClassScore(name, {figure: None if of[name] != of[name] else of[name] for figure, of in figures.items()})  # NaN
        for name in names
    ]
    images: tuple[ImageCounts, ...] = tuple(result.images) if task == "pixel" else ()
    averages = {figure: list(of.values())[len(names)] for figure, of in figures.items()}
    return ResultScores(path, task, tuple(classes), averages, None, images, None, f"{len(STEMS)} images", True)


def report_of(*scores: ResultScores, split: str = "val", benchmark: str = "cityscapes") -> Report:
    """A report with one run for each of these scores: `run-0`, `run-1`, ..."""
    runs = []
    for number, scored in enumerate(scores):
        result = Result(f"run-{number}/{split}", scored.path.parent, "best", split, benchmark, scores=scored)
        runs.append(Run(f"run-{number}", None, "results only", "", {}, (), {}, "2026-11-28", (), (result,), (), ()))
    return Report(tuple(runs), (), (), (), ())
