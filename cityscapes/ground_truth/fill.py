"""Which pixels a polygon covers: the one place that decides it.

The official masks were painted with the polygon fill that Pillow had up to 2.4.0, and so are ours. It is
an even-odd fill of closed polygons with integer vertices, and it samples each row of pixels at its centre:

    row y is sampled at Y = y + 0.5; the edge a -> b crosses it where min(ya, yb) <= y < max(ya, yb), at
    X = float32(float32(Y - ya) * (float32(xb - xa) / float32(yb - ya))) + float32(xa)
    the crossings of a row, sorted, are taken in pairs, and a pair paints ceil(Xl - 0.5) .. floor(Xr + 0.5)

Both ends round to the nearest pixel, ties outwards. Float32 and the edge's first vertex matter: either
slip moves pixels in the official scenes. `docs/ground_truth.md` has the evidence.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from engine.arrays import Int64Array
from engine.errors import InputError

Polygon = Int64Array
"""(N, 2) x and y of the vertices, in pixels; the last one connects to the first."""
Id = TypeVar("Id", np.uint8, np.uint16)

_HALF = np.float32(0.5)
_MOST = 1 << 25
"""Crossings, and pieces under polygons, at most: a real scene has some 50,000, and these take a gigabyte of memory."""


class Runs(NamedTuple):
    """Horizontal runs of pixels, in the order in which their polygons are painted, (R,) each."""

    owner: Int64Array
    """Index of the polygon that each run belongs to."""
    row: Int64Array
    first: Int64Array
    """Leftmost pixel."""
    stop: Int64Array
    """One beyond the rightmost pixel; always right of `first`."""


class Crossings(NamedTuple):
    """Where the outlines cross the centres of the rows, (C,) each."""

    line: Int64Array
    """Index of the polygon x height + row."""
    x: npt.NDArray[np.float32]


class Pieces(NamedTuple):
    """An image cut, row by row, into pieces of one value each, (P,)."""

    top: Int64Array
    """1 + index of the uppermost polygon; 0 is the background."""
    length: Int64Array
    """Pixels."""
    width: int
    height: int

    def image(self, values: npt.NDArray[Id]) -> npt.NDArray[Id]:
        """The (H, W) image in which the background and every polygon, in this order, have these values."""
        return np.repeat(values[self.top], self.length).reshape(self.height, self.width)


def runs(polygons: Sequence[Polygon], width: int, height: int) -> Runs:
    """Find the runs that the polygons cover within a width x height image, all in one pass."""
    line, x = crossings(polygons, height)
    first = np.clip(np.ceil(x - _HALF), 0, width).astype(np.int64)
    stop = np.clip(np.floor(x + _HALF) + 1, 0, width).astype(np.int64)
    return pair(line, first, stop, width, height)


def pair(line: Int64Array, first: Int64Array, stop: Int64Array, width: int, height: int) -> Runs:
    """The runs between neighbouring crossings; a run starts at the `first` and ends at the `stop` of one.

    A closed outline crosses every row an even number of times, so sorted neighbours are the pairs. Rounding
    and clipping keep the order of the crossings: to sort what they give is to sort the crossings.
    """
    lines = line * (width + 1)
    left = _sorted(lines + first)[0::2]
    right = _sorted(lines + stop)[1::2]
    seen = left < right
    line, first = np.divmod(left[seen], width + 1)
    owner, row = np.divmod(line, height)
    return Runs(owner, row, first, right[seen] - line * (width + 1))


def _sorted(values: Int64Array) -> Int64Array:
    """Values from 0 up in order; those below 2^31 sort twice as fast in half the width."""
    if not len(values) or values.max() > np.iinfo(np.int32).max:
        return np.sort(values)
    return np.sort(values.astype(np.int32)).astype(np.int64)


def crossings(polygons: Sequence[Polygon], height: int) -> Crossings:
    """Find where the outlines of the polygons cross the centres of the rows of an image."""
    begin, end, owner = edges(polygons)
    top = np.clip(np.minimum(begin[:, 1], end[:, 1]), 0, height)
    bottom = np.clip(np.maximum(begin[:, 1], end[:, 1]), 0, height)
    count = bottom - top  # how many rows each edge crosses; none for a horizontal edge
    _require_few(int(count.sum()), "crossings of outlines with rows of pixels")
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) + np.repeat(top - np.cumsum(count) + count, count)

    rise = (end - begin).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = rise[:, 0] / rise[:, 1]
    below = (row - begin[:, 1][edge]).astype(np.float32) + _HALF
    return Crossings(owner[edge] * height + row, below * slope[edge] + begin[:, 0].astype(np.float32)[edge])


def pieces(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Paint the polygons in their order, later over earlier.

    Raises:
        InputError: if that would take gigabytes, as thousands of polygons do that lie over one another everywhere.
    """
    return layered(runs(polygons, width, height), width, height)


def layered(found: Runs, width: int, height: int) -> Pieces:
    """Paint runs in their order, later over earlier: on pieces, a hundred times fewer than pixels."""
    start = found.row * width + found.first
    stop = found.row * width + found.stop
    cuts = _sorted(np.concatenate([start, stop, [0, height * width]]))
    cuts = cuts[np.append(True, cuts[1:] != cuts[:-1])]
    piece = np.empty(height * width + 1, np.int32)  # where there is a cut, the number of the piece to its right
    piece[cuts] = np.arange(len(cuts))

    begin = piece[start]
    count = piece[stop] - begin
    _require_few(int(count.sum(dtype=np.int64)), "pieces of rows under one another")
    covered = np.arange(count.sum()) + np.repeat(begin - np.cumsum(count) + count, count)
    top = np.zeros(len(cuts) - 1, np.int64)
    top[covered] = np.repeat(found.owner + 1, count)  # the last of several assignments stays
    return Pieces(top, np.diff(cuts), width, height)


def _require_few(number: int, what: str) -> None:
    if number > _MOST:
        raise InputError(f"{number:,} {what}, expected at most {_MOST:,}; cut the image in parts, or leave out objects")


def edges(polygons: Sequence[Polygon]) -> tuple[Polygon, Polygon, Int64Array]:
    """The edges a -> b of all polygons: a and b, (E, 2) each, and the index of the polygon, (E,)."""
    if not polygons:
        return np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    lengths = np.array([len(polygon) for polygon in polygons])
    begin = np.concatenate(polygons)
    after = np.arange(1, len(begin) + 1)
    ends = np.cumsum(lengths)
    after[ends[lengths > 0] - 1] = (ends - lengths)[lengths > 0]
    return begin, begin[after], np.repeat(np.arange(len(polygons)), lengths)
