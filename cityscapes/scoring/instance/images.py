"""Figures of single images, and bootstrap intervals of the AP over images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cityscapes.scoring.instance.average_precision import (
    FALSE_POSITIVE,
    IGNORED,
    TRUE_POSITIVE,
    Detections,
    ImageDetections,
    average_precisions,
    merged,
)
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.resampling import ClassDetections, class_aps
from engine import bootstrap
from engine.arrays import Float64Array, Int64Array
from engine.bootstrap import Figure, Interval, means
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_HALF = 0
"""Index of the overlap of 50 %."""


def interval(images: Sequence[ImageDetections]) -> Interval:
    """Bootstrap interval of the AP, averaged over classes and overlaps.

    A class without an instance in the drawn images is left out of the mean of that resample.
    """
    return intervals(images)[0]


def intervals(images: Sequence[ImageDetections]) -> tuple[Interval, dict[str, Interval]]:
    """The interval of `interval`, and that of the AP of each class; together, because each takes seconds."""
    aps = class_scores(images)

    def figures(drawn: Int64Array) -> Float64Array:
        of_classes = aps(drawn)
        return np.column_stack([means(of_classes), of_classes])

    mean, *of_classes = bootstrap.intervals(len(images), figures)
    return mean, dict(zip(CLASSES, of_classes, strict=True))


def difference(first: Sequence[ImageDetections], second: Sequence[ImageDetections]) -> Interval:
    """Bootstrap interval of the difference of the average APs, second minus first, of the same images."""
    return bootstrap.difference(len(first), _mean_ap(first), _mean_ap(second))


def by_class(images: Sequence[ImageDetections]) -> list[ClassDetections]:
    """The detections of all images, by class."""
    return [_of_class([image.classes[number] for image in images]) for number in range(len(CLASSES))]


def _of_class(parts: Sequence[Detections]) -> ClassDetections:
    together = merged(parts)
    return ClassDetections(
        np.repeat(np.arange(len(parts)), [part.confidences.size for part in parts]),
        together.confidences,
        together.outcomes,
        np.array([part.instances for part in parts], np.int64),
    )


def class_scores(images: Sequence[ImageDetections]) -> Figure:
    """The (n, 8) AP of each class in resamples of these images; NaN for a class without an instance."""
    return class_aps(by_class(images))


def _mean_ap(images: Sequence[ImageDetections]) -> Figure:
    """The mean AP of resamples of these images."""
    aps = class_scores(images)
    return lambda drawn: means(aps(drawn))


def to_dataframe(images: Sequence[ImageDetections]) -> "pd.DataFrame":
    """Figures of each image, worst image first; images without an instance come last.

    Columns: image; AP and AP50% from 0 to 1 within this image, NaN without an instance; instances, the number of those
    that count; true positives, false positives, missed and ignored at an overlap of 50 %; AP50% of each class.
    """
    precisions = np.array([average_precisions([image]) for image in images])  # (images, 8, 10)
    halves = precisions[:, :, _HALF]
    columns = {
        "image": [image.stem for image in images],
        "AP": means(precisions.mean(2)),
        "AP50%": means(halves),
        "instances": [sum(found.instances for found in image.classes) for image in images],
        "true positives": _number(images, TRUE_POSITIVE),
        "false positives": _number(images, FALSE_POSITIVE),
        "missed": [sum(int(found.missed()[_HALF]) for found in image.classes) for image in images],
        "ignored": _number(images, IGNORED),
        **dict(zip(CLASSES, halves.T, strict=True)),
    }
    frame = Table(columns).to_dataframe()
    return frame.sort_values(["AP50%", "AP", "image"], na_position="last", ignore_index=True)


def _number(images: Sequence[ImageDetections], outcome: int) -> list[int]:
    """Number of predictions of each image with an outcome at an overlap of 50 %."""
    return [sum(int((found.outcomes[:, _HALF] == outcome).sum()) for found in image.classes) for image in images]
