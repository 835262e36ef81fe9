"""Scores of single images, and a bootstrap interval of the mean IoU over images."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cityscapes.labels import BY_ID
from cityscapes.scoring import bootstrap
from cityscapes.scoring.bootstrap import Figure, Interval, means
from cityscapes.scoring.pixel.counts import SCORED
from engine.arrays import Float64Array, Int64Array

_MAX_PIXELS = 1 << 32
"""Maximum pixel count of a class in an image of a result file, so that sums over many images fit into 64 bits."""

_IDS = np.flatnonzero(SCORED)
NAMES = tuple(BY_ID[label_id].name for label_id in _IDS.tolist())
"""Names of the 19 scored classes, in the order of the columns below."""


class ImageCounts(NamedTuple):
    """Pixel counts of one image, from which the IoU of the classes is computed; less than a kilobyte."""

    stem: str
    hits: Int64Array
    """(19,) pixels of each class in both masks."""
    union: Int64Array
    """(19,) scored pixels of each class in either mask."""

    def scores(self) -> Float64Array:
        """(19,) IoU of each class within this image, NaN for a class that does not occur."""
        return _ious(self.hits, self.union)

    def to_json(self) -> dict[str, list[int]]:
        """The counts as JSON content, from which means over images can be recomputed."""
        return {"hits": self.hits.tolist(), "unions": self.union.tolist()}


def count(stem: str, confusion: Int64Array) -> ImageCounts:
    """Reduce the (34, 34) confusion matrix of an image."""
    among = confusion[np.ix_(SCORED, SCORED)]
    hits = np.diagonal(among).copy()
    return ImageCounts(stem, hits, confusion[SCORED].sum(1) + among.sum(0) - hits)


def mean_score(image: ImageCounts) -> float:
    """Mean IoU of the classes that occur in an image; NaN if none occurs."""
    return float(means(image.scores()[None])[0])


def total_scores(images: Sequence[ImageCounts]) -> Float64Array:
    """(19,) IoU of each class over all images; NaN for a class that occurs in none."""
    return _ious(sum(image.hits for image in images), sum(image.union for image in images))  # type: ignore[arg-type]


def interval(images: Sequence[ImageCounts]) -> Interval:
    """Bootstrap interval of the mean IoU.

    A class that occurs in no drawn image is left out of the mean of that resample.
    """
    return bootstrap.interval(len(images), _mean_iou(images))


def difference(first: Sequence[ImageCounts], second: Sequence[ImageCounts]) -> Interval:
    """Bootstrap interval of the difference of the mean IoUs, second minus first, of the same images."""
    return bootstrap.difference(len(first), _mean_iou(first), _mean_iou(second))


def from_json(content: Mapping[str, Mapping[str, Sequence[int]]]) -> list[ImageCounts]:
    """The pixel counts in the `images` of a result file, in the order of the file.

    Raises:
        KeyError, TypeError, ValueError: if the content is invalid.
    """
    return [ImageCounts(stem, *_pixels(of["hits"], of["unions"])) for stem, of in content.items()]


def _pixels(hits: Sequence[int], unions: Sequence[int]) -> tuple[Int64Array, Int64Array]:
    """Two lists of pixel counts by class as arrays; ValueError if they are invalid."""
    if not len(hits) == len(unions) == len(NAMES):
        raise ValueError(f"expected {len(NAMES)} numbers of an image, got {len(hits)} and {len(unions)}")
    if not all(type(number) is int and 0 <= number <= _MAX_PIXELS for number in (*hits, *unions)):
        raise ValueError(f"expected numbers of pixels, whole and from 0 to {_MAX_PIXELS}")
    if any(hit > union for hit, union in zip(hits, unions, strict=True)):
        raise ValueError("expected at least as many pixels in the union as hits")
    return np.array(hits, np.int64), np.array(unions, np.int64)


def _mean_iou(images: Sequence[ImageCounts]) -> Figure:
    """The mean IoU of resamples of these images."""
    hits = np.array([image.hits for image in images])
    unions = np.array([image.union for image in images])
    return lambda drawn: means(_ious(drawn @ hits, drawn @ unions))


def _ious(hits: Int64Array, unions: Int64Array) -> Float64Array:
    ious = np.full(unions.shape, math.nan)
    np.divide(hits, unions, out=ious, where=unions > 0)
    return ious
