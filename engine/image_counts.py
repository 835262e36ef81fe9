"""Pixel counts of single images, and bootstrap intervals over images of the IoU that follows from them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engine import bootstrap
from engine.arrays import Float64Array, Int64Array
from engine.bootstrap import Figure, Interval, means

_MAX_PIXELS = 1 << 32
"""Maximum pixel count of a class in an image of a result file, so that sums over many images fit into 64 bits."""


class ImageCounts(NamedTuple):
    """Pixel counts of one image, from which the IoU of its C classes is computed; less than a kilobyte."""

    stem: str
    """Name of the image."""
    hits: Int64Array
    """(C,) pixels of each class in both masks."""
    union: Int64Array
    """(C,) scored pixels of each class in either mask."""

    def scores(self) -> Float64Array:
        """(C,) IoU of each class within this image, NaN for a class that does not occur."""
        return ious(self.hits, self.union)

    def to_json(self) -> dict[str, list[int]]:
        """The counts as JSON content, from which means over images can be recomputed."""
        return {"hits": self.hits.tolist(), "unions": self.union.tolist()}


def mean_score(image: ImageCounts) -> float:
    """Mean IoU of the classes that occur in an image; NaN if none occurs."""
    return float(means(image.scores()[None])[0])


def total_scores(images: Sequence[ImageCounts]) -> Float64Array:
    """(C,) IoU of each class over all images; NaN for a class that occurs in none."""
    return ious(sum(image.hits for image in images), sum(image.union for image in images))  # type: ignore[arg-type]


def interval(images: Sequence[ImageCounts]) -> Interval:
    """Bootstrap interval of the mean IoU.

    A class that occurs in no drawn image is left out of the mean of that resample.
    """
    return bootstrap.interval(len(images), _mean_iou(images))


def class_intervals(images: Sequence[ImageCounts]) -> list[Interval]:
    """Bootstrap interval of the IoU of each class; NaN for a class that does not occur."""
    return bootstrap.intervals(len(images), class_scores(images))


def difference(first: Sequence[ImageCounts], second: Sequence[ImageCounts]) -> Interval:
    """Bootstrap interval of the difference of the mean IoUs, second minus first, of the same images."""
    return bootstrap.difference(len(first), _mean_iou(first), _mean_iou(second))


def from_json(content: Mapping[str, Mapping[str, Sequence[int]]], classes: int) -> list[ImageCounts]:
    """The pixel counts in the `images` of a result file, in the order of the file.

    Args:
        content: of the key `images`.
        classes: expected number of classes.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: if the content is invalid.
    """
    return [ImageCounts(stem, *_pixels(of["hits"], of["unions"], classes)) for stem, of in content.items()]


def _pixels(hits: Sequence[int], unions: Sequence[int], classes: int) -> tuple[Int64Array, Int64Array]:
    """Two lists of pixel counts by class as arrays; ValueError if they are invalid."""
    if not len(hits) == len(unions) == classes:
        raise ValueError(f"expected {classes} numbers of an image, got {len(hits)} and {len(unions)}")
    if not all(type(number) is int and 0 <= number <= _MAX_PIXELS for number in (*hits, *unions)):
        raise ValueError(f"expected numbers of pixels, whole and from 0 to {_MAX_PIXELS}")
    if any(hit > union for hit, union in zip(hits, unions, strict=True)):
        raise ValueError("expected at least as many pixels in the union as hits")
    return np.array(hits, np.int64), np.array(unions, np.int64)


def _mean_iou(images: Sequence[ImageCounts]) -> Figure:
    """The mean IoU of resamples of these images."""
    scores = class_scores(images)
    return lambda drawn: means(scores(drawn))


def class_scores(images: Sequence[ImageCounts]) -> Figure:
    """The (n, C) IoU of each class in resamples of these images.

    The products are of floats, which NumPy multiplies faster than integers; they are exact, because the pixels of two
    million images of the largest size add up to less than 2^53.
    """
    hits = np.array([image.hits for image in images], np.float64)
    unions = np.array([image.union for image in images], np.float64)

    def figure(drawn: Int64Array) -> Float64Array:
        times = drawn.astype(np.float64)
        return ious(times @ hits, times @ unions)

    return figure


def ious(hits: Int64Array | Float64Array, unions: Int64Array | Float64Array) -> Float64Array:
    """Intersection over union of pixel counts of equal shape; NaN where the union is empty."""
    found = np.full(unions.shape, math.nan)
    np.divide(hits, unions, out=found, where=unions > 0)
    return found
