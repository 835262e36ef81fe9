"""Boundary IoU: the IoU of the borders of areas, which is more sensitive to thin and small objects than IoU.

Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation". The border of an area
consists of its pixels within a distance of its edge. The edge of the image counts as an edge, as in the authors' code.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID
from cityscapes.predictions import LABEL_IDS
from cityscapes.scoring.pixel.counts import SCORED, Masks
from engine.arrays import Int64Array

DISTANCE = 0.005
"""Width of the border as a share of the image diagonal: 11 of 2290 pixels. The paper's 0.02 for COCO would be 46."""

_Flags = npt.NDArray[np.bool_]


class BorderCounts(NamedTuple):
    """Border pixels of one or more scenes; the boundary IoU is computed from their sums."""

    hits: Int64Array
    """(34,) pixels in the border of a label in both masks."""
    union: Int64Array
    """(34,) pixels in the border of a label in either mask."""

    def plus(self, other: "BorderCounts") -> "BorderCounts":
        """The sum of both counts."""
        return BorderCounts(self.hits + other.hits, self.union + other.union)

    def scores(self) -> dict[str, float]:
        """Boundary IoU of each scored label by name; NaN for a label that does not occur."""
        return {
            BY_ID[label_id].name: float(self.hits[label_id] / self.union[label_id])
            if self.union[label_id]
            else math.nan
            for label_id in np.flatnonzero(SCORED).tolist()
        }


def borders(masks: Masks) -> BorderCounts:
    """Count the pixels in the borders of all labels at once.

    As in the IoU, predictions are ignored where the ground truth is not scored.
    """
    height, width = masks.label_ids.shape
    distance = max(1, round(DISTANCE * math.hypot(height, width)))
    true = near_edge(masks.label_ids, distance)
    predicted = near_edge(masks.prediction, distance) & SCORED[masks.label_ids]
    both = true & predicted & (masks.label_ids == masks.prediction)
    hits = _pixels(masks.label_ids[both])
    return BorderCounts(hits, _pixels(masks.label_ids[true]) + _pixels(masks.prediction[predicted]) - hits)


def near_edge(ids: npt.NDArray[np.unsignedinteger], distance: int) -> _Flags:
    """(H, W) whether the square of 2 * distance + 1 pixels around a pixel contains another id or leaves the image.

    The result equals each label's mask minus its erosion, without computing a mask for each label.
    """
    flags = np.ones(ids.shape, np.bool_)
    inner = (slice(distance, -distance),) * 2
    if min(ids.shape) > 2 * distance:
        flags[inner] = _extreme(np.maximum, ids, 2 * distance + 1) != _extreme(np.minimum, ids, 2 * distance + 1)
    return flags


def _extreme(of: np.ufunc, ids: npt.NDArray[np.unsignedinteger], side: int) -> npt.NDArray[np.unsignedinteger]:
    """Maximum or minimum of each square of `side` pixels, (H - side + 1, W - side + 1), by doubling the side."""
    for axis in (0, 1):
        ids = ids.swapaxes(0, axis)
        covered = 1
        while covered < side:
            step = min(covered, side - covered)
            ids = of(ids[:-step], ids[step:])
            covered += step
        ids = ids.swapaxes(0, axis)
    return ids


def _pixels(ids: npt.NDArray[np.unsignedinteger]) -> Int64Array:
    return np.bincount(ids, minlength=LABEL_IDS).astype(np.int64)
