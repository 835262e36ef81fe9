"""Matching of predicted and annotated segments of one image.

The rules are those of Kirillov et al. 2019, "Panoptic Segmentation", section 4.1, as the official
`evalPanopticSemanticLabeling.py` applies them. A predicted and an annotated segment match if they are of the same class
and their IoU exceeds 0.5. A segment has at most one match, because the segments of a mask do not overlap.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import LABELS
from engine.arrays import Float64Array, Int64Array, true_positions

MIN_IOU = 0.5
"""Segments match above this IoU, not at it."""
MAX_IGNORED = 0.5
"""An unmatched predicted segment is ignored if more than this share of it lies on void and groups of its class."""

SCORED_LABELS = tuple(label for label in LABELS if not label.ignore_in_eval)
CATEGORY_IDS = tuple(label.id for label in SCORED_LABELS)
"""(19,) category id of each class, which is its label id, ascending."""
NAMES = tuple(label.name for label in SCORED_LABELS)
"""(19,) name of each class, in the order of `CATEGORY_IDS`."""

_Ids = npt.NDArray[np.integer[Any]]
_Index = npt.NDArray[np.intp]


class Segments(NamedTuple):
    """Segments of one image, annotated or predicted, (n,) each."""

    ids: Int64Array
    """Segment ids, unique."""
    classes: _Index
    """Class of each segment, 0 to 18: an index into `CATEGORY_IDS`."""
    crowd: npt.NDArray[np.bool_]
    """Whether a segment is a group of objects (`iscrowd`), which is not matched; False in predictions."""


class Pairs(NamedTuple):
    """Numbers of pixels by annotated and predicted segment, (n,) each, sorted by both ids; pairs without pixels are
    left out.
    """

    true_ids: Int64Array
    predicted_ids: Int64Array
    pixels: Int64Array


class PanopticCounts(NamedTuple):
    """Matches of one image, from which its panoptic quality is computed; less than a kilobyte.

    The classes are in the order of `CATEGORY_IDS`.
    """

    stem: str
    iou: Float64Array
    """(19,) sum of the IoU of the matched segments of each class."""
    tp: Int64Array
    """(19,) true positives: matched segments."""
    fp: Int64Array
    """(19,) false positives: predicted segments that are neither matched nor ignored."""
    fn: Int64Array
    """(19,) false negatives: annotated segments that are neither matched nor groups."""

    def to_json(self) -> dict[str, list[Any]]:
        """The counts as JSON content, from which the quality over images can be recomputed."""
        return {name: getattr(self, name).tolist() for name in ("iou", "tp", "fp", "fn")}


def count_pairs(true_ids: _Ids, predicted_ids: _Ids) -> Pairs:
    """Count the pixels of each pair of segments.

    Masks consist of areas: the 2 million pixels of a scene form about 20,000 runs of pixels with the same two ids.
    Counting the runs takes a twentieth of the time of sorting the pixels.

    Args:
        true_ids: (H, W) segment ids of the ground truth, 0 to 2**24 - 1.
        predicted_ids: (H, W) segment ids of the prediction, 0 to 2**24 - 1.
    """
    true_ids, predicted_ids = true_ids.ravel(), predicted_ids.ravel()
    first = np.ones(true_ids.size, np.bool_)
    np.not_equal(true_ids[1:], true_ids[:-1], out=first[1:])
    first[1:] |= predicted_ids[1:] != predicted_ids[:-1]
    starts = true_positions(first)
    lengths = np.diff(starts, append=first.size)
    keys = true_ids[starts].astype(np.int64) << 24 | predicted_ids[starts]
    found = np.unique(keys)
    pixels = np.bincount(np.searchsorted(found, keys), lengths).astype(np.int64)  # exact: far below 2**53
    return Pairs(found >> 24, found & 0xFFFFFF, pixels)


def match(stem: str, true: Segments, predicted: Segments, pairs: Pairs) -> PanopticCounts:
    """Match the segments of one image.

        annotated  |--------------|      void    |      IoU = both / union
        predicted        |-----------------------|
                         |  both  |
                   |     union    |..........|          pixels predicted on void are not part of the union

    Args:
        stem: name of the scene.
        true: annotated segments, all of which are in `pairs`.
        predicted: predicted segments, all of which are in `pairs`.
        pairs: pixels of both masks; ids other than those of the segments are void.
    """
    row, column = _positions(true.ids, pairs.true_ids), _positions(predicted.ids, pairs.predicted_ids)
    true_area, predicted_area = _area(row, pairs.pixels, len(true.ids)), _area(column, pairs.pixels, len(predicted.ids))
    on_void = _area(np.where(row < 0, column, -1), pairs.pixels, len(predicted.ids))

    both = np.flatnonzero((row >= 0) & (column >= 0))
    row, column, pixels = row[both], column[both], pairs.pixels[both]
    same_class = true.classes[row] == predicted.classes[column]
    candidates = np.flatnonzero(same_class & ~true.crowd[row])
    union = true_area[row] + predicted_area[column] - pixels - on_void[column]
    ious = pixels[candidates] / union[candidates]
    matched = candidates[ious > MIN_IOU]

    found, used = np.zeros(len(true.ids), np.bool_), np.zeros(len(predicted.ids), np.bool_)
    found[row[matched]] = used[column[matched]] = True
    on_group = np.where(same_class & (row == _group_of_class(true)[true.classes[row]]), column, -1)
    ignored = on_void + _area(on_group, pixels, len(predicted.ids))
    wrong = ~used & (ignored / np.maximum(predicted_area, 1) <= MAX_IGNORED)
    classes = true.classes[row[matched]]
    return PanopticCounts(
        stem,
        iou=np.bincount(classes, ious[ious > MIN_IOU], len(NAMES)).astype(np.float64, copy=False),
        tp=_by_class(classes),
        fp=_by_class(predicted.classes[wrong]),
        fn=_by_class(true.classes[~found & ~true.crowd]),
    )


def _positions(ids: Int64Array, wanted: Int64Array) -> _Index:
    """(n,) index of each wanted id among the ids; -1 where there is none."""
    if not ids.size:
        return np.full(len(wanted), -1, np.intp)
    order = np.argsort(ids)
    place = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    return np.where(ids[place] == wanted, place, -1)


def _area(position: _Index, pixels: Int64Array, segments: int) -> Int64Array:
    """(segments,) pixels of each segment; those at position -1 belong to none."""
    return np.bincount(position + 1, pixels, segments + 1)[1:].astype(np.int64)


def _group_of_class(true: Segments) -> _Index:
    """(19,) index of the group of each class, or -1; the last of several groups, as in the official scorer."""
    groups = np.full(len(NAMES), -1, np.intp)
    for index in np.flatnonzero(true.crowd).tolist():
        groups[true.classes[index]] = index
    return groups


def _by_class(classes: _Index) -> Int64Array:
    return np.bincount(classes, minlength=len(NAMES)).astype(np.int64, copy=False)
