"""Polygon fill: the rule that decides which pixels a polygon covers.

The official masks were painted with the polygon fill of Pillow up to 2.4.0. This module follows the same rule. It
is an even-odd fill of closed polygons with integer vertices that samples each row of pixels at its centre:

    row y is sampled at Y = y + 0.5; the edge a -> b crosses it where min(ya, yb) <= y < max(ya, yb), at
    X = float32(float32(Y - ya) * (float32(xb - xa) / float32(yb - ya))) + float32(xa)
    the crossings of a row, sorted, are taken in pairs, and a pair paints ceil(Xl - 0.5) .. floor(Xr + 0.5)

Both ends round to the nearest pixel, ties outwards. Float32 and counting from the edge's first vertex matter:
without either, some small polygons differ from those that Pillow 1.7.8 and 2.4.0 painted.
`docs/ground_truth.md` has the evidence.
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
"""Maximum number of crossings, and of pieces under polygons; they take 1 GB. A real scene has about 50,000."""


class Runs(NamedTuple):
    """Horizontal runs of pixels in the painting order of their polygons, (R,) each."""

    owner: Int64Array
    """Index of the polygon that each run belongs to."""
    row: Int64Array
    """Row of pixels of each run."""
    first: Int64Array
    """Column of the leftmost pixel of each run."""
    stop: Int64Array
    """Column after the rightmost pixel of each run; always greater than `first`."""


class Crossings(NamedTuple):
    """Crossings of the outlines with the centres of the rows, (C,) each."""

    line: Int64Array
    """Polygon index x image height + row of each crossing."""
    x: npt.NDArray[np.float32]
    """Horizontal position of each crossing in pixels."""


class Pieces(NamedTuple):
    """Run-length encoding of an image, row by row: pieces of one value each, (P,)."""

    top: Int64Array
    """1 + index of the uppermost polygon of each piece; 0 is the background."""
    length: Int64Array
    """Number of pixels of each piece."""
    width: int
    height: int

    def image(self, values: npt.NDArray[Id]) -> npt.NDArray[Id]:
        """The (H, W) image with the given values of the background and each polygon, in this order."""
        return np.repeat(values[self.top], self.length).reshape(self.height, self.width)


def runs(polygons: Sequence[Polygon], width: int, height: int) -> Runs:
    """Find the runs of pixels that the polygons cover within a width x height image, in one pass over all polygons."""
    line, x = crossings(polygons, height)
    first = np.clip(np.ceil(x - _HALF), 0, width).astype(np.int64)
    stop = np.clip(np.floor(x + _HALF) + 1, 0, width).astype(np.int64)
    return pair(line, first, stop, width, height)


def pair(line: Int64Array, first: Int64Array, stop: Int64Array, width: int, height: int) -> Runs:
    """Pair neighbouring crossings of each row into runs.

    A closed outline crosses every row an even number of times, so neighbours in sorted order form the pairs. Rounding
    and clipping keep the order of the crossings, so the columns can be sorted instead of the crossings.

    Args:
        line: (C,) polygon index x image height + row of each crossing.
        first: (C,) column of the leftmost pixel if a run starts at the crossing.
        stop: (C,) column after the rightmost pixel if a run ends at the crossing.
        width: of the image, in pixels.
        height: of the image, in pixels.
    """
    lines = line * (width + 1)
    left = _sorted(lines + first)[0::2]
    right = _sorted(lines + stop)[1::2]
    visible = left < right
    line, first = np.divmod(left[visible], width + 1)
    owner, row = np.divmod(line, height)
    return Runs(owner, row, first, right[visible] - line * (width + 1))


def _sorted(values: Int64Array) -> Int64Array:
    """Sort values >= 0; if all are below 2^31, they are sorted as int32, which is twice as fast."""
    if not len(values) or values.max() > np.iinfo(np.int32).max:
        return np.sort(values)
    return np.sort(values.astype(np.int32)).astype(np.int64)


def crossings(polygons: Sequence[Polygon], height: int) -> Crossings:
    """Find where the outlines of the polygons cross the centres of the rows of an image."""
    begin, end, owner = edges(polygons)
    top = np.clip(np.minimum(begin[:, 1], end[:, 1]), 0, height)
    bottom = np.clip(np.maximum(begin[:, 1], end[:, 1]), 0, height)
    count = bottom - top  # number of rows that each edge crosses; 0 for a horizontal edge
    _require_few(int(count.sum()), "crossings of outlines with rows of pixels")
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) + np.repeat(top - np.cumsum(count) + count, count)

    rise = (end - begin).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = rise[:, 0] / rise[:, 1]
    below = (row - begin[:, 1][edge]).astype(np.float32) + _HALF
    return Crossings(owner[edge] * height + row, below * slope[edge] + begin[:, 0].astype(np.float32)[edge])


def pieces(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Paint the polygons in their order, later ones over earlier ones.

    Raises:
        InputError: if it would take gigabytes of memory, for example because thousands of polygons overlap everywhere.
    """
    return layered(runs(polygons, width, height), width, height)


def layered(found: Runs, width: int, height: int) -> Pieces:
    """Paint runs in their order, later ones over earlier ones.

    Works on pieces, a hundred times fewer than pixels.
    """
    start = found.row * width + found.first
    stop = found.row * width + found.stop
    cuts = _sorted(np.concatenate([start, stop, [0, height * width]]))
    cuts = cuts[np.append(True, cuts[1:] != cuts[:-1])]
    piece = np.empty(height * width + 1, np.int32)  # at each cut: index of the piece that starts there
    piece[cuts] = np.arange(len(cuts))

    begin = piece[start]
    count = piece[stop] - begin
    _require_few(int(count.sum(dtype=np.int64)), "overlapping pieces of rows")
    covered = np.arange(count.sum()) + np.repeat(begin - np.cumsum(count) + count, count)
    top = np.zeros(len(cuts) - 1, np.int64)
    top[covered] = np.repeat(found.owner + 1, count)  # of several assignments to a piece, the last one counts
    return Pieces(top, np.diff(cuts), width, height)


def _require_few(number: int, what: str) -> None:
    if number > _MOST:
        raise InputError(
            f"{number:,} {what}, expected at most {_MOST:,}; cut the image into parts, or leave out objects"
        )


def edges(polygons: Sequence[Polygon]) -> tuple[Polygon, Polygon, Int64Array]:
    """The edges a -> b of all polygons: (E, 2) vertices a, (E, 2) vertices b, and (E,) index of the polygon."""
    if not polygons:
        return np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    lengths = np.array([len(polygon) for polygon in polygons])
    begin = np.concatenate(polygons)
    after = np.arange(1, len(begin) + 1)
    ends = np.cumsum(lengths)
    after[ends[lengths > 0] - 1] = (ends - lengths)[lengths > 0]
    return begin, begin[after], np.repeat(np.arange(len(polygons)), lengths)
