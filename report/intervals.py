"""Differences of results and their bootstrap intervals, for all pairs of results.

`engine.bootstrap.difference` draws the same images for both results of a pair, and its draws depend on the number of
images alone. Here each result is resampled once, and the figures of its resamples are kept. The difference of two
results' figures has exactly the interval of `difference`, and n results take the time of n instead of n^2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cityscapes.scoring.comparison import Image
from engine import bootstrap, image_counts
from engine.arrays import Float64Array
from engine.bootstrap import Figure, Interval, means
from engine.errors import InputError
from engine.files.documents import read_json
from report.records import ResultScores

_MAX_BYTES = 1 << 27
"""Largest result file that is read, as in `cityscapes.scoring.tasks`."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Figures of the bootstrap resamples of a result."""

    stems: tuple[str, ...]
    """Names of the scored images, sorted."""
    figures: Float64Array
    """(RESAMPLES, 1 + C) main average, then the main figure of each class; NaN where there is no score."""


def resample(scores: ResultScores) -> Resampled | None:
    """Resample a result; None if the counts of its images are unknown, or its task has no average over classes."""
    try:
        stems, figure = _class_scores(scores)
    except InputError:  # the file has changed since it was read
        return None
    if not stems:
        return None
    of_classes = bootstrap.resampled(len(stems), figure)
    return Resampled(stems, np.column_stack([means(of_classes), of_classes]))


def differences(first: Resampled, second: Resampled) -> list[Interval] | None:
    """Intervals of second minus first: of the main average, then of each class.

    None if the images differ. An interval is NaN for a class that occurs in no resample of one of them.
    """
    if first.stems != second.stems:
        return None
    return [bootstrap.middle(values) for values in (second.figures - first.figures).T]


def of_pairs(results: Sequence[Resampled | None]) -> dict[tuple[int, int], list[Interval]]:
    """Intervals of all pairs of results of the same images by their positions (i, j), i < j; see `differences`."""
    pairs = combinations([number for number, result in enumerate(results) if result is not None], 2)
    found = {(i, j): differences(results[i], results[j]) for i, j in pairs}  # type: ignore[arg-type]
    return {pair: intervals for pair, intervals in found.items() if intervals is not None}


def _class_scores(scores: ResultScores) -> tuple[tuple[str, ...], Figure]:
    """Names of the images, and the class scores of resamples of them.

    Raises:
        InputError: if the file of an instance or panoptic result is not one any more.
    """
    if scores.images:
        return _stems(scores.images), image_counts.class_scores(scores.images)
    if scores.task == "instance":
        from cityscapes.scoring.instance import comparison as instances
        from cityscapes.scoring.instance import images as of_instances

        found = instances.read(scores.path, read_json(scores.path, _MAX_BYTES)).images
        return _stems(found), of_instances.class_scores(found)
    if scores.task == "panoptic":
        from cityscapes.scoring.panoptic import comparison as panoptic
        from cityscapes.scoring.panoptic import images as of_segments

        segments = panoptic.read(scores.path, read_json(scores.path, _MAX_BYTES)).images
        return _stems(segments), of_segments.class_scores(segments)
    return (), lambda drawn: np.full((len(drawn), 1), np.nan)


def _stems(images: Sequence[Image]) -> tuple[str, ...]:
    return tuple(image.stem for image in images)
