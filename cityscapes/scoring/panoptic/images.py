"""Figures of single images of the panoptic task, and a bootstrap interval of the PQ over images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cityscapes.scoring.panoptic.matching import NAMES, PanopticCounts
from cityscapes.scoring.panoptic.quality import qualities
from engine import bootstrap
from engine.arrays import Float64Array, Int64Array
from engine.bootstrap import Figure, Interval, means
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_MOST = 1 << 24
"""Most segments of an image that a result file may state: their ids have 24 bits."""
_ROUNDING = 1e-9


def interval(images: Sequence[PanopticCounts]) -> Interval:
    """Bootstrap interval of the PQ, averaged over the classes that occur in the drawn images."""
    return bootstrap.interval(len(images), _mean_pq(images))


def class_intervals(images: Sequence[PanopticCounts]) -> list[Interval]:
    """Bootstrap interval of the PQ of each class; NaN for a class that does not occur."""
    return bootstrap.intervals(len(images), class_scores(images))


def difference(first: Sequence[PanopticCounts], second: Sequence[PanopticCounts]) -> Interval:
    """Bootstrap interval of the difference of the mean PQs, second minus first, of the same images."""
    return bootstrap.difference(len(first), _mean_pq(first), _mean_pq(second))


def class_scores(images: Sequence[PanopticCounts]) -> Figure:
    """The (n, 19) PQ of each class in resamples of these images: all its parts are sums over images.

    NaN for a class that is neither annotated nor predicted.
    """
    iou, tp, fp, fn = _stacked(images)
    return lambda drawn: qualities(drawn @ iou, drawn @ tp, drawn @ fp, drawn @ fn).pq


def _mean_pq(images: Sequence[PanopticCounts]) -> Figure:
    """The mean PQ of resamples of these images."""
    pqs = class_scores(images)
    return lambda drawn: means(pqs(drawn))


def _stacked(images: Sequence[PanopticCounts]) -> tuple[Float64Array, Int64Array, Int64Array, Int64Array]:
    """The counts of all images, (images, 19) each."""
    return (
        np.array([image.iou for image in images]),
        np.array([image.tp for image in images]),
        np.array([image.fp for image in images]),
        np.array([image.fn for image in images]),
    )


def to_dataframe(images: Sequence[PanopticCounts]) -> "pd.DataFrame":
    """Figures of each image, worst image first.

    Columns: image; PQ, SQ and RQ from 0 to 1, the means over the classes that occur within this image; true positives,
    false positives and missed, the numbers of segments; PQ of each class, NaN for a class that does not occur.
    """
    counts = _stacked(images)
    of_classes = qualities(*counts)
    parts = zip(("true positives", "false positives", "missed"), counts[1:], strict=True)
    columns = {
        "image": [image.stem for image in images],
        **{name: means(figure) for name, figure in zip(("PQ", "SQ", "RQ"), of_classes, strict=True)},
        **{name: part.sum(1) for name, part in parts},
        **dict(zip(NAMES, of_classes.pq.T, strict=True)),
    }
    return Table(columns).to_dataframe().sort_values(["PQ", "image"], na_position="last", ignore_index=True)


def from_json(content: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[PanopticCounts]:
    """The counts in the `images` of a result file, in the order of the file.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: if the content is invalid.
    """
    return [PanopticCounts(stem, *_counts(of)) for stem, of in content.items()]


def _counts(of: Mapping[str, Sequence[Any]]) -> tuple[Float64Array, Int64Array, Int64Array, Int64Array]:
    """The counts of an image; ValueError if they are invalid."""
    iou, tp, fp, fn = (of[name] for name in ("iou", "tp", "fp", "fn"))
    if not len(iou) == len(tp) == len(fp) == len(fn) == len(NAMES):
        raise ValueError(f"expected {len(NAMES)} numbers of an image each under iou, tp, fp and fn")
    if not all(type(number) is int and 0 <= number <= _MOST for number in (*tp, *fp, *fn)):
        raise ValueError(f"expected numbers of segments, whole and from 0 to {_MOST}")
    if not all(type(total) in (int, float) and 0 <= total <= 1.5 * _MOST for total in iou):
        raise ValueError("expected sums of IoUs, which are not negative")
    if not all(number / 2 - _ROUNDING <= total <= number + _ROUNDING for total, number in zip(iou, tp, strict=True)):
        raise ValueError("expected an IoU from 0.5 to 1 for each true positive")
    return np.array(iou, np.float64), np.array(tp, np.int64), np.array(fp, np.int64), np.array(fn, np.int64)
