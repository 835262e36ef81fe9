"""Masks as runs of pixels, down the columns from left to right, the background first.

size [3, 4] is height 3 and width 4; counts [4, 2, 1, 2, 3] are a mask of pixels 4, 5, 7 and 8:

0 3 6 9       . . . .       Edges are the pixels 4, 6, 7 and 9, at which a run begins.
1 4 7 10      . # # .       Down a column, the pixels 4, 7 differ from the pixel above them, and so does 6 from 5 in
2 5 8 11      . # # .       the order of the runs, but not in the image: it is the first of its column.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.arrays import Int64Array
from engine.files import png_writer
from engine.files.png_writer import Lookup, Steps


class Runs(NamedTuple):
    """A mask as runs of pixels."""

    width: int
    height: int
    counts: Int64Array
    """(R,) number of pixels of each run, background and mask in turn; they add up to width x height."""

    @property
    def area(self) -> int:
        """The number of pixels of the mask."""
        return int(self.counts[1::2].sum())

    def mask(self) -> npt.NDArray[np.bool_]:
        """The (H, W) mask."""
        pixels = np.repeat(np.arange(len(self.counts)) % 2 == 1, self.counts)
        return np.ascontiguousarray(pixels.reshape(self.width, self.height).T)

    def png(self) -> bytes:
        """The mask as a grey PNG of 8 bits, 255 in the mask; without decoding it."""
        edges = _edges(self.counts)
        before = np.arange(len(edges)) % 2  # value of the pixel before each edge
        column, row = np.divmod(edges, self.height)
        below = row > 0  # others are compared with the end of the column before
        row, column, before = row[below], column[below], before[below]
        change = np.where(before == 1, 1 << 8, 1).astype(np.uint16)
        top = np.searchsorted(edges, np.arange(self.width) * self.height, side="right") % 2
        steps = Steps(self.width, self.height, top.astype(np.uint8), row * self.width + column, row, change)
        return png_writer.encode_lookup(steps, _white())


def union(parts: Sequence[Runs]) -> Runs:
    """The union of one or more masks of the same size."""
    if len(parts) == 1:
        return parts[0]
    edges = [_edges(part.counts) for part in parts]
    total = parts[0].width * parts[0].height
    begins = np.concatenate([part[0::2] for part in edges])
    ends = np.concatenate([np.append(part, total)[1::2] if len(part) % 2 else part[1::2] for part in edges])
    order = np.argsort(np.concatenate([2 * begins, 2 * ends + 1]), kind="stable")  # what begins comes before what ends
    depth = np.cumsum(np.repeat([1, -1], [len(begins), len(ends)])[order])
    outer = (depth == 0) | np.append(True, depth[:-1] == 0)[: len(depth)]
    changes = np.concatenate([begins, ends])[order][outer]
    return Runs(parts[0].width, parts[0].height, np.diff(changes, prepend=0, append=total))


def of_edges(edges: Int64Array, width: int, height: int) -> Runs:
    """The mask that changes at these pixels, (E,) in any order; twice the same pixel changes nothing."""
    places, times = np.unique(edges, return_counts=True)
    return Runs(width, height, np.diff(places[times % 2 == 1], prepend=0, append=width * height))


def _edges(counts: Int64Array) -> Int64Array:
    """(E,) pixels at which the mask begins and ends in turn, ascending, without empty runs."""
    edges, times = np.unique(np.cumsum(counts)[:-1], return_counts=True)
    kept: Int64Array = edges[(times % 2 == 1) & (edges < counts.sum())]
    return kept


@cache
def _white() -> Lookup:
    table = np.zeros(256, np.uint8)
    table[1] = 255
    return Lookup(table)
