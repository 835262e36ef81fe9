"""Pixel counts of single images in the 19 scored classes."""

import numpy as np

from cityscapes.labels import BY_ID
from cityscapes.scoring.pixel.counts import SCORED
from engine.arrays import Int64Array
from engine.image_counts import ImageCounts

_IDS = np.flatnonzero(SCORED)
NAMES = tuple(BY_ID[label_id].name for label_id in _IDS.tolist())
"""Names of the 19 scored classes, in the order of the counts."""


def count(stem: str, confusion: Int64Array) -> ImageCounts:
    """Reduce the (34, 34) confusion matrix of an image."""
    among = confusion[np.ix_(SCORED, SCORED)]
    hits = np.diagonal(among).copy()
    return ImageCounts(stem, hits, confusion[SCORED].sum(1) + among.sum(0) - hits)
