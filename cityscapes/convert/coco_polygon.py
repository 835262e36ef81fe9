"""Polygons of COCO, drawn by the rules of `maskApi.c` of the COCO API (github.com/cocodataset/cocoapi, 28dffd9)."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from cityscapes.convert.faults import SegmentationError, shown
from cityscapes.convert.runs import Runs, of_edges
from engine.arrays import Int64Array

_SCALE = 5
"""Number of points per pixel along the outline of a polygon."""
_MAX_COORDINATE = 1 << 20
_MAX_POINTS = 1 << 24
"""Largest number of points along the outlines of one object; a large one has 50,000."""


def vertices_of(polygon: Any) -> npt.NDArray[np.float64]:
    """(N, 2) vertices of a polygon x, y, x, y, ... of at least three.

    Raises:
        SegmentationError: if it is anything else, or a coordinate is not finite or far outside of any image.
    """
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise SegmentationError(f"polygon is {shown(polygon)}, expected x, y, x, y, ... of at least three vertices")
    return coordinates([polygon[0::2], polygon[1::2]]).T


def coordinates(numbers: Sequence[Any]) -> npt.NDArray[np.float64]:
    """A list of lists of coordinates as an array.

    Raises:
        SegmentationError: if one is not a number, not finite, or far outside of any image.
    """
    flat = list(chain.from_iterable(numbers))
    # NaN and infinity fail the comparison, too.
    if wrong := [value for value in flat if type(value) not in (int, float) or not abs(value) <= _MAX_COORDINATE]:
        raise SegmentationError(f"a coordinate is {shown(wrong[0])}, expected a finite number within the image")
    return np.array(numbers, np.float64)


def draw(polygons: Sequence[npt.NDArray[np.float64]], width: int, height: int) -> list[Runs]:
    """The masks that the COCO API draws for polygons, one for each.

    Outlines are sampled at five points per pixel. Where a sample crosses the middle of a column of pixels, the mask
    changes at the next pixel below.
    """
    steps = [np.trunc(_SCALE * polygon + 0.5).astype(np.int64) for polygon in polygons]
    ends = [np.roll(step, -1, 0) for step in steps]
    if sum(int(abs(end - step).max(1).sum()) + len(step) for step, end in zip(steps, ends, strict=True)) > _MAX_POINTS:
        raise SegmentationError(f"an outline of more than {_MAX_POINTS // _SCALE:,} pixels, expected one object")
    return [_of_outline(step, end, width, height) for step, end in zip(steps, ends, strict=True)]


def _of_outline(begin: Int64Array, end: Int64Array, width: int, height: int) -> Runs:
    x, y = _samples(begin, end)
    jump = np.flatnonzero(x[1:] != x[:-1])
    column = (np.minimum(x[jump], x[jump + 1]) + 0.5) / _SCALE - 0.5
    row = np.ceil(np.clip((np.minimum(y[jump], y[jump + 1]) + 0.5) / _SCALE - 0.5, 0, height))
    kept = (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    return of_edges((column[kept] * height + row[kept]).astype(np.int64), width, height)


def _samples(begin: Int64Array, end: Int64Array) -> tuple[Int64Array, Int64Array]:
    """X and y of the points along all edges, in fifths of a pixel and in the order of the outline."""
    across, down = abs(end - begin).T
    flat = across >= down
    count = np.maximum(across, down)
    flipped = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    start = np.where(flipped[:, None], end, begin)
    rise = np.where(flipped[:, None], begin, end) - start
    slope = np.where(flat, rise[:, 1], rise[:, 0]) / np.maximum(count, 1)
    edge = np.repeat(np.arange(len(count)), count + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(count + 1) - (count + 1), count + 1)
    step = np.where(flipped[edge], count[edge] - step, step)
    main, other = np.where(flat, start.T, start.T[::-1])
    along = main[edge] + step
    aside = np.trunc(other[edge] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(flat[edge], along, aside), np.where(flat[edge], aside, along)
