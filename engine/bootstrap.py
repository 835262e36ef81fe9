"""Bootstrap intervals over images: the resampling that all tasks share (Efron, 1979).

Each resample draws as many images as were scored, with replacement, so that it counts some images twice or more and
leaves others out. A task computes its figure for each resample; the interval holds the middle of these figures.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engine.arrays import Float64Array, Int64Array
from engine.findings import counted

RESAMPLES = 2000
LEVEL = 0.95
_SEED = 0
_BLOCK = 100
"""Number of resamples drawn at a time, which bounds memory."""
_KEPT = 2000
"""Largest number of images whose resamples are kept: 32 MB."""

Figure = Callable[[Int64Array], Float64Array]
"""Function from a (n, images) array, the number of times that each image was drawn, to the (n,) figures of these
resamples; NaN for a resample without a score."""


class Interval(NamedTuple):
    """Interval that contains the middle `LEVEL` of the bootstrap resamples of a figure."""

    low: float
    high: float


def interval(images: int, figure: Figure) -> Interval:
    """Bootstrap interval of a figure of so many images; the seed is fixed, and NaN if no resample has a score."""
    return intervals(images, lambda drawn: figure(drawn)[:, None])[0]


def intervals(images: int, figures: Figure) -> list[Interval]:
    """Bootstrap intervals of several figures of so many images, for example one of each class.

    Args:
        images: number of images.
        figures: as `Figure`, but the result is (n, figures).
    """
    return [middle(values) for values in resampled(images, figures).T]


def resampled(images: int, figures: Figure) -> Float64Array:
    """The figures of all resamples that `interval` draws for so many images: (RESAMPLES,) or (RESAMPLES, figures).

    The draws depend on the number of images alone. So `middle` of the difference of two results' figures is exactly
    their `difference`, and many results are compared without resampling each pair.
    """
    drawn = _resamples(images, RESAMPLES) if images <= _KEPT else _drawn(images, RESAMPLES)
    return np.concatenate([figures(block) for block in drawn])


def middle(values: Float64Array) -> Interval:
    """The interval of the (RESAMPLES,) figures of all resamples, without those that are NaN; NaN if all are."""
    values = values[~np.isnan(values)]
    if not values.size:
        return Interval(math.nan, math.nan)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


@lru_cache(maxsize=1)
def _resamples(images: int, resamples: int) -> tuple[Int64Array, ...]:
    """All resamples of so many images, kept because results of a split are often compared one after the other."""
    return tuple(_drawn(images, resamples))


def _drawn(images: int, resamples: int) -> Iterator[Int64Array]:
    """The resamples of so many images, in blocks; the seed is fixed."""
    rng = np.random.default_rng(_SEED)
    for _ in range(resamples // _BLOCK):
        yield rng.multinomial(images, np.full(images, 1 / images), _BLOCK)


def difference(images: int, first: Figure, second: Figure) -> Interval:
    """Bootstrap interval of the difference, second minus first; each resample draws the same images for both."""
    return interval(images, lambda drawn: second(drawn) - first(drawn))


def sentence(average: str, found: Interval, images: int) -> str:
    """The interval of an average of so many images in words, for example `mean IoU 61.3 to 64.0 in 95% of ...`."""
    return (
        f"{average} {100 * found.low:.1f} to {100 * found.high:.1f} in {LEVEL:.0%} of {RESAMPLES} resamples "
        f"of {counted(images, 'image')}"
    )


def means(scores: Float64Array) -> Float64Array:
    """(n,) means of (n, classes) scores, without those that are NaN; NaN where all are."""
    valid = ~np.isnan(scores)
    found = np.full(len(scores), math.nan)
    np.divide(np.where(valid, scores, 0).sum(1), valid.sum(1), out=found, where=valid.any(1))
    return found
