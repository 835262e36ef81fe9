"""Results of the benchmarks whose scores follow from one confusion matrix: CamVid, Pascal VOC, and custom ones."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import catalogue
from cityscapes.scoring.comparison import score
from engine import image_counts
from engine.arrays import Int64Array
from engine.errors import InputError
from engine.image_counts import ImageCounts
from engine.scoring import Scores
from report.records import Confusion, ResultScores
from report.sources.plain import count, mapping, short
from report.sources.scores import figures
from report.sources.scores.figures import Reading

_AVERAGES = {
    "mIoU": "miou",
    "mean Dice": "mean_dice",
    "mean accuracy": "mean_pixel_accuracy",
    "pixel accuracy": "pixel_accuracy",
}
"""Name of each average -> its key."""
_CLASSES = {"IoU": "iou", "Dice": "dice", "accuracy": "pixel_accuracy"}
"""Name of each figure of a class -> its key."""
_MAX_CLASSES = 256
_TOLERANCE = 1e-9


def read(path: Path, content: dict[str, Any]) -> Reading:
    """The scores in a result file of `engine.scoring`."""
    of_classes = {short(name): mapping(of) for name, of in mapping(content["classes"]).items()}
    names = tuple(of_classes)
    if not 0 < len(names) <= _MAX_CLASSES:
        raise ValueError(f"expected 1 to {_MAX_CLASSES} classes, got {len(names)}")
    averages = {name: score(content[key]) for name, key in _AVERAGES.items()}
    by_name = {name: {label: score(of[key]) for label, of in of_classes.items()} for name, key in _CLASSES.items()}
    images = tuple(sorted(image_counts.from_json(content.get("counts", {}), len(names)), key=lambda image: image.stem))
    _require_sum(path, averages["mIoU"], images)
    matrix = _confusion(content.get("confusion"), len(names))
    official = content.get("official_images")
    found = Scores(np.zeros((0, 1), np.int64), names, count(content["images"]), official and count(official))
    scores = ResultScores(
        path=path,
        task="pixel",
        classes=figures.by_class(by_name, names, figures.class_intervals(names, images)),
        averages={name: figures.score(value) for name, value in averages.items()},
        interval=figures.valid(content.get("miou_interval")),
        images=images,
        confusion=None if matrix is None else Confusion(names, (*names, "no class"), matrix),
        coverage=found.coverage,
        official=None if official is None else found.images == found.official,
    )
    return Reading(scores, _benchmark_of(names), "")


def _require_sum(path: Path, miou: float, images: Sequence[ImageCounts]) -> None:
    """Check that the images of a result add up to its mean IoU.

    Raises:
        InputError: if they do not: the file was edited, or combined from two results.
    """
    if not images:
        return
    classes = image_counts.total_scores(images)
    summed = float(classes[~np.isnan(classes)].mean()) if not np.isnan(classes).all() else math.nan
    if not abs(summed - miou) <= _TOLERANCE and not (math.isnan(summed) and math.isnan(miou)):
        raise InputError(
            f"{path}: its images add up to a mean IoU of {100 * summed:.1f} %, expected the {100 * miou:.1f} % that it "
            "states, so it is not a single result; score the predictions again"
        )


def _confusion(content: Any, classes: int) -> Int64Array | None:
    """The (C, C + 1) confusion matrix, whose last column counts pixels without a predicted class."""
    return None if content is None else figures.matrix(content, (classes, classes + 1))


def _benchmark_of(names: tuple[str, ...]) -> str:
    """The benchmark of the catalogue that has these classes; empty if none has."""
    return next((name for name in catalogue.BENCHMARKS if catalogue.benchmark(name).classes.names == names), "")
