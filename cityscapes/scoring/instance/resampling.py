"""Average precision of resamples of images, for bootstrap intervals.

AP is not a sum over images. A resample that draws an image twice has all its detections and instances twice. So each
detection gets the number of times that its image was drawn as a weight, and the precision-recall curve is computed
from cumulative sums of weights. The detections are sorted once, and not again for each resample.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.arrays import Float64Array, Int64Array

_AT_ONCE = 1 << 15
"""Number of weights computed at a time, so that they stay in the cache of a core and in memory that is used again."""

_Index = npt.NDArray[np.intp]


class ClassDetections(NamedTuple):
    """Detections of one class in all images."""

    images: _Index
    """(n,) index of the image of each detection."""
    confidences: Float64Array
    """(n,) confidence of each detection."""
    outcomes: npt.NDArray[np.int8]
    """(n, overlaps) 1 for a true positive, 0 for a false positive, -1 for an ignored detection."""
    instances: Int64Array
    """(images,) number of instances in the ground truth of each image."""


class Curve(NamedTuple):
    """Precision-recall curve of one class at one overlap, before the images are drawn.

    The detections that are not ignored are sorted by falling confidence. For each true positive, the precision is
    needed at its confidence and at the next higher one:

        confidence      .9   .8   .8   .7   .6
        true positive    x         x         x
        before           0    .    1    .    4       number of detections with a higher confidence
        until            1    .    3    .    5       number of detections with this confidence or a higher one
    """

    images: _Index
    """(n,) index of the image of each detection."""
    true: _Index
    """(t,) positions of the true positives."""
    before: _Index
    """(t,) number of detections above the confidence of each true positive."""
    until: _Index
    """(t,) number of detections at or above that confidence."""
    true_before: _Index
    """(t,) number of true positives among `before`."""
    true_until: _Index
    """(t,) number of true positives among `until`."""

    @classmethod
    def of(cls, detections: ClassDetections, overlap: int) -> "Curve":
        """The curve at the overlap with this index."""
        outcomes = detections.outcomes[:, overlap]
        counted = np.flatnonzero(outcomes >= 0)
        order = counted[np.argsort(-detections.confidences[counted], kind="stable")]
        true = np.flatnonzero(outcomes[order] == 1)
        falling = -detections.confidences[order]
        before, until = (np.searchsorted(falling, falling[true], side) for side in ("left", "right"))
        true_before, true_until = (np.searchsorted(true, bound) for bound in (before, until))
        return cls(detections.images[order], true, before, until, true_before, true_until)

    def areas(self, drawn: npt.NDArray[np.int32]) -> Float64Array:
        """(n,) area below the curve, times the number of instances, of resamples: (n, images) numbers of draws.

        As in the official script, the area is that of trapezoids between the points of all different confidences, and
        the curve starts at a precision of 1 without detections. Points whose detections were not drawn do not matter.
        """
        rows = max(1, _AT_ONCE // max(1, len(self.images)))
        blocks = [self._areas(drawn[start : start + rows]) for start in range(0, len(drawn), rows)]
        return np.concatenate(blocks)

    def _areas(self, drawn: npt.NDArray[np.int32]) -> Float64Array:
        weights = np.take(drawn, self.images, 1)  # (n, detections)
        true = np.take(weights, self.true, 1)  # (n, true positives)
        number, true_number = _sums(weights), _sums(true)
        before, until = np.take(number, self.before, 1), np.take(number, self.until, 1)
        heights = (np.take(true_number, self.true_before, 1) + (before == 0)) / np.maximum(before, 1)
        heights += np.take(true_number, self.true_until, 1) / np.maximum(until, 1)
        return np.asarray(0.5 * np.einsum("ij,ij->i", heights, true))


def class_aps(classes: Sequence[ClassDetections]) -> Callable[[Int64Array], Float64Array]:
    """The AP of resamples, on average over the overlaps.

    Returns:
        a function from (n, images) numbers of draws to (n, classes) APs from 0 to 1; NaN for a class without an
        instance in the drawn images.
    """
    curves = [[Curve.of(found, overlap) for overlap in range(found.outcomes.shape[1])] for found in classes]

    def aps(drawn: Int64Array) -> Float64Array:
        scores = np.full((len(drawn), len(classes)), np.nan)
        weights = drawn.astype(np.int32)
        for column, (found, of_class) in enumerate(zip(classes, curves, strict=True)):
            instances = drawn @ found.instances
            area = sum((curve.areas(weights) for curve in of_class), np.zeros(len(drawn)))
            np.divide(area / len(of_class), instances, out=scores[:, column], where=instances > 0)
        return scores

    return aps


def _sums(weights: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """(n, k + 1) cumulative sums of the (n, k) weights, from 0."""
    sums = np.zeros((len(weights), weights.shape[1] + 1), np.int32)
    np.cumsum(weights, 1, out=sums[:, 1:])
    return sums
