"""The scores of single images, and how sure the mean IoU is that they add up to."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID
from cityscapes.scoring.counts import SCORED
from engine.arrays import Float64Array, Int64Array

RESAMPLES = 2000
LEVEL = 0.95
_SEED = 0
_BLOCK = 100
"""Resamples that are drawn at a time, so that memory stays small."""

_MAX_PIXELS = 1 << 32
"""Of a class in an image of a result file; sums over many images still fit into 64 bits."""

_IDS = np.flatnonzero(SCORED)
NAMES = tuple(BY_ID[label_id].name for label_id in _IDS.tolist())
"""The 19 scored classes, as the columns below have them."""


class ImageCounts(NamedTuple):
    """What one image adds to the IoU of the classes; less than a kilobyte, and all that is kept of an image."""

    stem: str
    hits: Int64Array
    """(19,) pixels that are of a class in both masks."""
    union: Int64Array
    """(19,) scored pixels that are of it in either."""

    def scores(self) -> Float64Array:
        """(19,) the IoU of the classes in this image alone, NaN for those that it lacks."""
        return _ious(self.hits, self.union)

    def to_json(self) -> dict[str, list[int]]:
        """The pixels of the classes, from which any mean over images can be made again."""
        return {"hits": self.hits.tolist(), "unions": self.union.tolist()}


class Interval(NamedTuple):
    """Where a figure would lie for other images of the same kind, in 95 of 100 cases."""

    low: float
    high: float


def count(stem: str, confusion: Int64Array) -> ImageCounts:
    """Reduce the (34, 34) confusion matrix of an image."""
    among = confusion[np.ix_(SCORED, SCORED)]
    hits = np.diagonal(among).copy()
    return ImageCounts(stem, hits, confusion[SCORED].sum(1) + among.sum(0) - hits)


def mean_score(image: ImageCounts) -> float:
    """The mean IoU of the classes that occur in an image; NaN if there is none."""
    return float(_means(image.hits[None], image.union[None])[0])


def total_scores(images: Sequence[ImageCounts]) -> Float64Array:
    """(19,) the IoU of the classes over all images, NaN for those that all of them lack."""
    return _ious(sum(image.hits for image in images), sum(image.union for image in images))  # type: ignore[arg-type]


def interval(images: Sequence[ImageCounts]) -> Interval:
    """The bootstrap interval of the mean IoU: images drawn with replacement, a fixed seed, the same every time.

    A class that no drawn image has is left out of that mean.
    """
    (means,) = zip(*_resampled([images]), strict=True)
    return _interval(np.concatenate(means))


def difference(first: Sequence[ImageCounts], second: Sequence[ImageCounts]) -> Interval:
    """The interval of what the second result has over the first, where both are drawn as the same images."""
    return _interval(np.concatenate([after - before for before, after in _resampled([first, second])]))


def from_json(content: Mapping[str, Mapping[str, Sequence[int]]]) -> list[ImageCounts]:
    """The images of a result file, in its order.

    Raises:
        KeyError, TypeError, ValueError: if it is none.
    """
    return [ImageCounts(stem, *_pixels(of["hits"], of["unions"])) for stem, of in content.items()]


def _pixels(hits: Sequence[int], unions: Sequence[int]) -> tuple[Int64Array, Int64Array]:
    """Two lists of pixels by class as arrays, if that is what they are."""
    if not len(hits) == len(unions) == len(NAMES):
        raise ValueError(f"expected {len(NAMES)} numbers of an image, got {len(hits)} and {len(unions)}")
    if not all(type(number) is int and 0 <= number <= _MAX_PIXELS for number in (*hits, *unions)):
        raise ValueError(f"expected numbers of pixels, whole and from 0 to {_MAX_PIXELS}")
    if any(hit > union for hit, union in zip(hits, unions, strict=True)):
        raise ValueError("expected at least as many pixels in the union as hits")
    return np.array(hits, np.int64), np.array(unions, np.int64)


def _resampled(results: Sequence[Sequence[ImageCounts]]) -> Iterator[list[Float64Array]]:
    """Blocks of mean IoUs of each result, the same images drawn for all."""
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
    """(n,) the means of (n, 19) IoUs that are not NaN."""
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
