"""Which pixels a polygon covers: the one place that decides it.

The official masks were painted with the polygon fill that Pillow had up to 2.4.0, and so are ours. It is
an even-odd fill of closed polygons with integer vertices, and it samples each row of pixels at its centre:

    row y is sampled at Y = y + 0.5; the edge a -> b crosses it where min(ya, yb) <= y < max(ya, yb), at
    X = float32(float32(Y - ya) * (float32(xb - xa) / float32(yb - ya))) + float32(xa)
    the crossings of a row, sorted, are taken in pairs, and a pair paints ceil(Xl - 0.5) .. floor(Xr + 0.5)

Both ends round to the nearest pixel, ties outwards. Float32 and the edge's first vertex matter: either
slip moves pixels in the official scenes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Polygon = npt.NDArray[np.int64]
"""(N, 2) x and y of the vertices, in pixels; the last one connects to the first."""


class Runs(NamedTuple):
    """Horizontal runs of pixels, in the order in which their polygons are painted."""

    owner: npt.NDArray[np.int64]
    """Index of the polygon that each run belongs to."""
    row: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    """Leftmost pixel."""
    last: npt.NDArray[np.int64]
    """Rightmost pixel, inclusive, never left of `first`."""


def runs(polygons: Sequence[Polygon], width: int, height: int) -> Runs:
    """Find the runs that the polygons cover within a width x height image, all in one pass."""
    xa, ya, xb, yb, polygon = _edges(polygons)

    top = np.clip(np.minimum(ya, yb), 0, height)
    bottom = np.clip(np.maximum(ya, yb), 0, height)
    count = bottom - top  # how many rows each edge crosses; none for a horizontal edge
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + top[edge]

    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (xb - xa).astype(np.float32) / (yb - ya).astype(np.float32)
    below = (row + 0.5 - ya[edge]).astype(np.float32)
    crossing = below * slope[edge] + xa[edge].astype(np.float32)

    # A closed outline crosses every row an even number of times, so sorted neighbours are the pairs.
    order = np.lexsort((crossing, row, polygon[edge]))
    left, right = order[0::2], order[1::2]
    first = np.clip(np.ceil(crossing[left] - np.float32(0.5)), 0, width).astype(np.int64)
    last = np.clip(np.floor(crossing[right] + np.float32(0.5)), -1, width - 1).astype(np.int64)
    seen = first <= last
    return Runs(polygon[edge[left]][seen], row[left][seen], first[seen], last[seen])


def paint(polygons: Sequence[Polygon], values: Sequence[int], image: npt.NDArray[np.uint16]) -> None:
    """Paint the polygons into a (H, W) image in their order, each with its value, later over earlier."""
    height, width = image.shape
    found = runs(polygons, width, height)
    start = found.row * width + found.first
    stop = found.row * width + found.last + 1
    flat = image.reshape(-1)
    for owner, begin, end in zip(found.owner.tolist(), start.tolist(), stop.tolist(), strict=True):
        flat[begin:end] = values[owner]


def _edges(polygons: Sequence[Polygon]) -> tuple[Polygon, Polygon, Polygon, Polygon, Polygon]:
    """The edges a -> b of all polygons as xa, ya, xb, yb and the index of the polygon, each (E,)."""
    if not polygons:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing, nothing, nothing
    begin = np.concatenate(polygons)
    end = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    owner = np.repeat(np.arange(len(polygons)), [len(polygon) for polygon in polygons])
    return begin[:, 0], begin[:, 1], end[:, 0], end[:, 1], owner
