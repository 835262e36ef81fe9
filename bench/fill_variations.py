"""Variations of the fill rule of the official masks, each with one change, and the fills of other tools."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cityscapes.ground_truth import fill, pillow_fill
from cityscapes.ground_truth.fill import Pieces, Polygon
from engine.arrays import Int64Array

Variation = Callable[[Sequence[Polygon], int, int], Pieces]
"""Fills polygons on a canvas of a width and a height."""


def float64(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Compute crossings in float64."""
    line, below, rise, begin = _active(polygons, height)
    return _nearest(line, below * (rise[:, 0] / rise[:, 1]) + begin[:, 0], width, height)


def fused(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Round product and sum once, as a fused multiply-add does."""
    line, below, rise, begin = _active(polygons, height)
    slope = (rise[:, 0].astype(np.float32) / rise[:, 1].astype(np.float32)).astype(np.float64)
    return _nearest(line, (below * slope + begin[:, 0]).astype(np.float32), width, height)


def from_the_top(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Compute crossings from an edge's upper vertex instead of its first vertex."""
    line, below, rise, begin = _active(polygons, height)
    down = rise[:, 1] > 0
    top = np.where(down[:, None], begin, begin + rise)
    below = np.where(down, below, below + -rise[:, 1])
    return _nearest(line, _crossing(below, rise, top), width, height)


def left_ties_up(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Round a left end half-way between two pixels to the right one."""
    line, x = fill.crossings(polygons, height)
    return _paired(line, np.floor(x + np.float32(0.5)), np.floor(x + np.float32(0.5)) + 1, width, height)


def rows_at_their_top(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Sample rows at y instead of y + 0.5."""
    line, below, rise, begin = _active(polygons, height)
    return _nearest(line, _crossing(below - 0.5, rise, begin), width, height)


def opencv(polygons: Sequence[Polygon], width: int, height: int) -> Pieces:
    """Fill with cv2.fillPoly."""
    canvas = np.zeros((height, width), np.int32)
    for number, polygon in enumerate(polygons, start=1):
        cv2.fillPoly(canvas, [polygon.astype(np.int32)], number)
    top = canvas.reshape(-1).astype(np.int64)
    return Pieces(top, np.ones_like(top), width, height)


VARIATIONS: dict[str, Variation] = {
    "the rule": fill.pieces,
    "in float64": float64,
    "with fused multiply-add": fused,
    "from the upper vertex": from_the_top,
    "left ties rounded up": left_ties_up,
    "rows sampled at y": rows_at_their_top,
    "OpenCV fillPoly": opencv,
    "installed Pillow": pillow_fill.pieces,
}


def _active(
    polygons: Sequence[Polygon], height: int
) -> tuple[Int64Array, npt.NDArray[np.float64], Int64Array, Int64Array]:
    """Each row that an edge crosses: line (see `fill.Crossings`), Y - ya, b - a, and a."""
    begin, end, owner = fill.edges(polygons)
    top = np.clip(np.minimum(begin[:, 1], end[:, 1]), 0, height)
    bottom = np.clip(np.maximum(begin[:, 1], end[:, 1]), 0, height)
    edge = np.repeat(np.arange(len(begin)), bottom - top)
    row = np.concatenate([np.arange(low, high) for low, high in zip(top, bottom, strict=True)])
    return owner[edge] * height + row, row + 0.5 - begin[:, 1][edge], (end - begin)[edge], begin[edge]


def _crossing(below: npt.NDArray[np.float64], rise: Int64Array, begin: Int64Array) -> npt.NDArray[np.float32]:
    slope = rise[:, 0].astype(np.float32) / rise[:, 1].astype(np.float32)
    x = below.astype(np.float32) * slope + begin[:, 0].astype(np.float32)
    return x.astype(np.float32)


def _nearest(line: Int64Array, x: npt.NDArray[np.floating[Any]], width: int, height: int) -> Pieces:
    half = x.dtype.type(0.5)
    return _paired(line, np.ceil(x - half), np.floor(x + half) + 1, width, height)


def _paired(
    line: Int64Array, first: npt.NDArray[np.floating[Any]], stop: npt.NDArray[np.floating[Any]], width: int, height: int
) -> Pieces:
    begin, end = (np.clip(values, 0, width).astype(np.int64) for values in (first, stop))
    return fill.layered(fill.pair(line, begin, end, width, height), width, height)
