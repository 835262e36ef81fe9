"""The kind of the ids in predictions: label ids, train ids, or train ids plus 1.

The range of the ids does not decide it, because small ids are valid in each kind. Two kinds of evidence do: agreement
with the ground truth, or, without ground truth, the frequency of each id. Road covers 37 % of the labelled pixels of
Cityscapes and traffic signs 0.6 %, so the frequencies show whether road is id 0, 1 or 7.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cityscapes.labels import LABEL_ID_OF, LABELS, VOID

IdKind = Literal["label ids", "train ids", "train ids plus 1"]

_ROAD_TO_SIGN = (36.99, 5.99, 22.69, 0.67, 0.87, 1.26, 0.21, 0.57)  # road to traffic sign
_VEGETATION_TO_BICYCLE = (16.12, 1.11, 3.92, 1.23, 0.15, 6.93, 0.27, 0.26, 0.22, 0.10, 0.46)  # vegetation to bicycle
SHARES = np.array([*_ROAD_TO_SIGN, *_VEGETATION_TO_BICYCLE]) / 100
"""(19,) share of each class among the labelled pixels of the train split, by train id.

The shares follow from the class weights of CGNet (Wu et al. 2018), which are 1 / ln(1.1 + share).
"""

_TRAIN_IDS = np.arange(len(SHARES))
_IDS: dict[IdKind, npt.NDArray[Any]] = {
    "label ids": LABEL_ID_OF[_TRAIN_IDS],
    "train ids": _TRAIN_IDS,
    "train ids plus 1": _TRAIN_IDS + 1,
}
"""(19,) id of each class, by kind of ids."""
_VOID_IDS: dict[IdKind, tuple[int, ...]] = {
    "label ids": (0, VOID),
    "train ids": (len(SHARES), VOID),  # some networks use the number after the classes for void
    "train ids plus 1": (0, VOID),
}
"""Ids of void, by kind of ids; their frequency is not evidence."""
NEVER_SCORED = tuple(label.id for label in LABELS if label.ignore_in_eval and label.id > 0)
"""Label ids that no network should predict; 1 to 6 are among them, and are frequent as train ids."""

_RARE = 1e-4
"""Expected share of an id that does not stand for a class."""
_MAX_DIVERGENCE = 0.7
"""Maximum divergence of train ids, in nats. In each of 15 real scenes the correct reading has at most 0.36, and wrong
readings have at least 1.96. With road, building and vegetation alone the divergence is about 0.3."""
_MARGIN = 1.0
"""Minimum difference to the divergence of the second-best reading, in nats."""
_MIN_UNSCORED = 0.01
"""Minimum share of pixels with unscored ids that is not considered an accident."""
_MIN_AGREEMENT, _AGREEMENT_RATIO = 0.1, 2
"""Minimum share of pixels that agree with the ground truth, and minimum ratio to the second-best reading."""


def by_frequency(pixels: npt.NDArray[np.int64]) -> IdKind | None:
    """The kind of the ids by the frequency of each, or None if the frequencies do not decide it.

    The result is label ids if they fit clearly better than every other kind. For train ids, whose conversion changes
    every pixel, the frequencies of all classes must in addition be close to those of Cityscapes.

    Args:
        pixels: (256,) number of pixels of each id, in one or more predictions.
    """
    divergences = {kind: _divergence(pixels, kind) for kind in _IDS}
    best, second = sorted(divergences, key=lambda kind: divergences[kind])[:2]
    clear = divergences[best] < np.inf and divergences[best] + _MARGIN <= divergences[second]
    return best if clear and (best == "label ids" or divergences[best] <= _MAX_DIVERGENCE) else None


def agreement(confusion: npt.NDArray[np.int64]) -> dict[IdKind, float]:
    """Share of the scored pixels that agree with the ground truth, for each kind of ids; 0 without scored pixels.

    Args:
        confusion: (34, 34 or more) number of pixels of each label id of the ground truth (row) and of each id of the
            predictions (column).
    """
    truth = LABEL_ID_OF[_TRAIN_IDS]
    scored = max(1, confusion[truth].sum())
    return {kind: float(confusion[truth, ids].sum() / scored) for kind, ids in _IDS.items()}


def by_ground_truth(agreements: Mapping[IdKind, float]) -> IdKind | None:
    """The kind of ids that agrees best with the ground truth, see `agreement`, or None if that does not decide it."""
    first, second = sorted(agreements, key=lambda kind: -agreements[kind])[:2]
    return first if agreements[first] >= max(_MIN_AGREEMENT, _AGREEMENT_RATIO * agreements[second]) else None


def unlikely_label_ids(pixels: npt.NDArray[np.int64]) -> bool:
    """Whether (256,) pixel counts are unlikely to be label ids: none above 19 except 255, and 255 or many unscored."""
    present = np.flatnonzero(pixels)
    if not present.size or present[present != VOID].max(initial=0) > len(SHARES):
        return False
    never = pixels[list(NEVER_SCORED)].sum() / pixels.sum()
    return bool(pixels[VOID] or never >= _MIN_UNSCORED)


def _divergence(pixels: npt.NDArray[np.int64], kind: IdKind) -> float:
    """Kullback-Leibler divergence, in nats, of the shares of the ids from those of the classes that they stand for."""
    counts = pixels.astype(np.float64)
    counts[list(_VOID_IDS[kind])] = 0
    present = np.flatnonzero(counts)
    if not present.size or (kind != "label ids" and present.max() > _IDS[kind].max()):
        return np.inf
    expected = np.full(len(counts), _RARE)
    expected[_IDS[kind]] = SHARES
    got = counts[present] / counts.sum()
    return float((got * np.log(got / expected[present])).sum())
