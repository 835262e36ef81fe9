"""Scores of single images, and a bootstrap interval of the mean IoU over images."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID
from cityscapes.scoring.pixel.counts import SCORED
from engine.arrays import Float64Array, Int64Array

RESAMPLES = 2000
LEVEL = 0.95
_SEED = 0
_BLOCK = 100
"""Number of resamples drawn at a time, which bounds memory."""

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


class Interval(NamedTuple):
    """Interval that contains the middle `LEVEL` of the bootstrap resamples of a figure."""

    low: float
    high: float


def count(stem: str, confusion: Int64Array) -> ImageCounts:
    """Reduce the (34, 34) confusion matrix of an image."""
    among = confusion[np.ix_(SCORED, SCORED)]
    hits = np.diagonal(among).copy()
    return ImageCounts(stem, hits, confusion[SCORED].sum(1) + among.sum(0) - hits)


def mean_score(image: ImageCounts) -> float:
    """Mean IoU of the classes that occur in an image; NaN if none occurs."""
    return float(_means(image.hits[None], image.union[None])[0])


def total_scores(images: Sequence[ImageCounts]) -> Float64Array:
    """(19,) IoU of each class over all images; NaN for a class that occurs in none."""
    return _ious(sum(image.hits for image in images), sum(image.union for image in images))  # type: ignore[arg-type]


def interval(images: Sequence[ImageCounts]) -> Interval:
    """Bootstrap interval of the mean IoU: images are drawn with replacement, with a fixed seed.

    A class that occurs in no drawn image is left out of the mean of that resample.
    """
    (means,) = zip(*_resampled([images]), strict=True)
    return _interval(np.concatenate(means))


def difference(first: Sequence[ImageCounts], second: Sequence[ImageCounts]) -> Interval:
    """Bootstrap interval of the difference, second minus first; each resample draws the same images for both."""
    return _interval(np.concatenate([after - before for before, after in _resampled([first, second])]))


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


def _resampled(results: Sequence[Sequence[ImageCounts]]) -> Iterator[list[Float64Array]]:
    """Blocks of resampled mean IoUs of each result; the same images are drawn for all results."""
    rng = np.random.default_rng(_SEED)
    pixels = [
        (np.array([image.hits for image in images]), np.array([image.union for image in images])) for images in results
    ]
    number = len(results[0])
    for _ in range(RESAMPLES // _BLOCK):
        drawn = rng.multinomial(number, np.full(number, 1 / number), _BLOCK)  # (block, images)
        yield [_means(drawn @ hits, drawn @ unions) for hits, unions in pixels]


def _ious(hits: Int64Array, unions: Int64Array) -> Float64Array:
    ious = np.full(unions.shape, math.nan)
    np.divide(hits, unions, out=ious, where=unions > 0)
    return ious


def _means(hits: Int64Array, unions: Int64Array) -> Float64Array:
    """(n,) means of the (n, 19) IoUs, without those that are NaN."""
    ious = _ious(hits, unions)
    valid = ~np.isnan(ious)
    means = np.full(len(ious), math.nan)
    np.divide(np.where(valid, ious, 0).sum(1), valid.sum(1), out=means, where=valid.any(1))
    return means


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    values = values[~np.isnan(values)]
    if not values.size:
        return Interval(math.nan, math.nan)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
