"""Counts of matched segments -> panoptic, segmentation and recognition quality.

Kirillov et al. 2019, "Panoptic Segmentation", equations 1 and 2. For each class

    PQ = sum of IoU / (TP + FP / 2 + FN / 2) = SQ * RQ,    SQ = sum of IoU / TP,    RQ = TP / (TP + FP / 2 + FN / 2)
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.scoring.panoptic.matching import NAMES, SCORED_LABELS, PanopticCounts
from engine.arrays import Float64Array, Int64Array

_THINGS = np.array([label.has_instances for label in SCORED_LABELS])
GROUPS = {"All": np.ones_like(_THINGS), "Things": _THINGS, "Stuff": ~_THINGS}
"""Official name of an average -> (19,) bool, the classes that it is taken over."""


class Qualities(NamedTuple):
    """Quality of each class, (..., 19) each, from 0 to 1; NaN for a class that is neither annotated nor predicted."""

    pq: Float64Array
    """Panoptic quality of each class."""
    sq: Float64Array
    """Segmentation quality of each class: mean IoU of its matches; 0 for a class without a match."""
    rq: Float64Array
    """Recognition quality of each class: F1 score of its segments."""


class Average(NamedTuple):
    """Mean quality of the classes of a group that occur; NaN if none occurs."""

    pq: float
    sq: float
    rq: float
    n: int
    """Number of classes that occur."""


def total(images: Iterable[PanopticCounts]) -> PanopticCounts:
    """The sum of the counts of images, in their order; its stem is empty."""
    number = len(NAMES)
    iou, tp, fp, fn = np.zeros(number), *(np.zeros(number, np.int64) for _ in range(3))
    for image in images:
        iou, tp, fp, fn = iou + image.iou, tp + image.tp, fp + image.fp, fn + image.fn
    return PanopticCounts("", iou, tp, fp, fn)


def qualities(iou: Float64Array, tp: Int64Array, fp: Int64Array, fn: Int64Array) -> Qualities:
    """Quality of each class from the sums of `PanopticCounts`, (..., 19) each."""
    segments = tp + 0.5 * fp + 0.5 * fn
    occurs = segments > 0
    sq = np.where(occurs, 0.0, math.nan)
    np.divide(iou, tp, out=sq, where=tp > 0)
    return Qualities(_ratio(iou, segments), sq, _ratio(tp, segments))


def average(of_classes: Qualities, group: npt.NDArray[np.bool_]) -> Average:
    """Mean over the classes of a group that occur.

    The official script divides by zero if none occurs.

    Args:
        of_classes: (19,) quality of each class.
        group: (19,) bool, see `GROUPS`.
    """
    occurs = group & ~np.isnan(of_classes.pq)
    n = int(occurs.sum())
    pq, sq, rq = (float(figures[occurs].sum()) / n if n else math.nan for figures in of_classes)
    return Average(pq, sq, rq, n)


def _ratio(part: Float64Array | Int64Array, whole: Float64Array) -> Float64Array:
    ratio = np.full(np.shape(whole), math.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
