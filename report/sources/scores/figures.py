"""Figures of all tasks: scores by class, intervals and coverage."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cityscapes.official_counts import IMAGES_OF
from cityscapes.scoring.coverage import Coverage
from engine import image_counts
from engine.arrays import Int64Array
from engine.bootstrap import Interval
from engine.image_counts import ImageCounts
from report.records import ClassScore, ResultScores
from report.sources.plain import count, number, text

_MAX_PIXELS = 1 << 53
"""Largest number of pixels in a cell of a confusion matrix."""
_MAX_IMAGES = 10_000
"""Largest number of images that are resampled, which takes a second."""


class Reading(NamedTuple):
    """Content of a result file."""

    scores: ResultScores
    benchmark: str
    """Name of the benchmark; empty if the file does not say it."""
    split: str
    """Name of the split; empty if the file does not say it."""


def score(value: float) -> float | None:
    """A score; None for NaN."""
    return None if math.isnan(value) else value


def by_class(
    figures: Mapping[str, Mapping[str, float]], names: Sequence[str], intervals: Mapping[str, Sequence[Any]]
) -> tuple[ClassScore, ...]:
    """The scores of classes.

    Args:
        figures: name of each figure -> its scores by class; NaN means no score.
        names: of the classes.
        intervals: class -> lower and upper limit of the first figure; anything else is left out.
    """
    return tuple(
        ClassScore(
            name,
            {figure: score(of.get(name, math.nan)) for figure, of in figures.items()},
            valid(intervals.get(name)),
        )
        for name in names
    )


def class_intervals(names: Sequence[str], images: Sequence[ImageCounts]) -> dict[str, Interval]:
    """Class -> bootstrap interval of its IoU; empty without images, or with more than can be resampled in a moment."""
    if not 0 < len(images) <= _MAX_IMAGES:
        return {}
    return dict(zip(names, image_counts.class_intervals(images), strict=True))


def valid(interval: Sequence[Any] | None) -> Interval | None:
    """An interval of two scores; None if it is missing, NaN, or something else."""
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return None
    low, high = map(number, interval)
    return None if low is None or high is None or not low <= high else Interval(low, high)


def matrix(content: Any, shape: tuple[int, int]) -> Int64Array:
    """A matrix of numbers of pixels.

    Raises:
        ValueError: if it has another shape, or holds anything but whole numbers from 0.
    """
    counts = np.array(content)
    if counts.shape != shape or counts.dtype.kind not in "iu" or (counts < 0).any() or (counts > _MAX_PIXELS).any():
        raise ValueError(f"expected a confusion matrix of {shape[0]} x {shape[1]} whole numbers")
    return counts.astype(np.int64)


def coverage_of(content: Mapping[str, Any]) -> tuple[str, bool | None, str]:
    """Coverage in words, whether exactly the official split was scored, and the split, of a result for Cityscapes."""
    recorded = content.get("coverage")
    if not isinstance(recorded, dict) or recorded.get("split") not in IMAGES_OF:
        return "", None, ""
    cities = {str(city): count(images) for city, images in recorded["cities"].items()}
    sizes = {_size(size): count(images) for size, images in recorded["sizes"].items()}
    found = Coverage(text(recorded["split"]), cities, sizes, count(recorded.get("leftOut")))
    return str(found), found.is_official, found.split


def _size(size: str) -> tuple[int, int]:
    width, height = size.split(" x ")
    return int(width), int(height)
