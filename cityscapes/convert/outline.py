"""Masks as polygons, which the fill rule of the ground truth draws as exactly these pixels, holes included.

A polygon of that rule (`cityscapes.ground_truth.fill`) covers the columns from its left to its right edge, both
included, and the rows from its upper edge to before its lower edge:

    # #     (0,0) (1,0)  top row: columns 0 to 1      The outline goes around the pixels clockwise. An edge that goes
    # .     (1,1) (0,1)  row 1: column 0              down has the mask on its left, and is drawn at the last column
                                                      of the mask; an edge that goes up at the first one.

Holes have their outline in the same polygon. A bridge leads to it straight down through the mask, and back: both ways
cross a row in the same column of the mask, which changes nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.convert.faults import SegmentationError

Corner = tuple[int, int]
"""x and y of a corner of pixels; (0, 0) is the upper left one of the image."""
_RIGHT, _DOWN, _LEFT, _UP = (1, 0), (0, 1), (-1, 0), (0, -1)
_MAX_EDGES = 1 << 20
"""Largest number of pixel edges along the outlines of a mask."""


class Step(NamedTuple):
    """One edge of a pixel on an outline, in its direction; the mask is to the right of it."""

    begin: Corner
    direction: Corner


Loop = list[Step]
"""A closed outline: clockwise around a part of the mask, anticlockwise around a hole."""


class Bridge(NamedTuple):
    """The way from a step of an outline down to a hole."""

    column: int
    begin: int
    """Row of the step."""
    end: int
    """First row of the hole."""
    hole: int
    """Index of the outline of the hole."""


def polygons_of(mask: npt.NDArray[np.bool_]) -> list[list[list[int]]]:
    """A polygon [[x, y], ...] for each connected part of a (H, W) mask; pixels connect by a corner, too.

    Raises:
        SegmentationError: if the outlines are longer than those of any object.
    """
    padded = np.pad(mask, 1)
    loops = _loops(padded)
    holes = [number for number, loop in enumerate(loops) if _is_hole(loop)]
    bridges = _bridges(padded, loops, holes)
    return [_polygon(number, loops, bridges) for number in range(len(loops)) if number not in set(holes)]


def _steps(padded: npt.NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Corner -> directions of the steps that begin there; corners of the padded mask minus 1 are those of the mask."""
    inside = padded[1:-1, 1:-1]
    neighbours = (
        (padded[:-2, 1:-1], (0, 0), _RIGHT),  # above: the upper edge goes right from the upper left corner
        (padded[1:-1, 2:], (1, 0), _DOWN),
        (padded[2:, 1:-1], (1, 1), _LEFT),
        (padded[1:-1, :-2], (0, 1), _UP),
    )
    found: list[tuple[Corner, Corner]] = []
    total = 0
    for beyond, (x, y), direction in neighbours:
        rows, columns = np.nonzero(inside & ~beyond)
        total += len(rows)
        if total > _MAX_EDGES:
            raise SegmentationError(f"a mask with outlines of more than {_MAX_EDGES:,} pixels, expected one object")
        found += [(corner, direction) for corner in zip((columns + x).tolist(), (rows + y).tolist(), strict=True)]
    steps: dict[Corner, list[Corner]] = {}
    for corner, direction in found:
        steps.setdefault(corner, []).append(direction)
    return steps


def _loops(padded: npt.NDArray[np.bool_]) -> list[Loop]:
    """All outlines. Where two parts touch at a corner, an outline turns left, so that they are one part."""
    steps = _steps(padded)
    loops = []
    while steps:
        corner = next(iter(steps))
        direction = steps[corner][0]
        loop: Loop = []
        while corner in steps:
            ways = steps[corner]
            left = (direction[1], -direction[0])
            direction = left if left in ways and len(ways) > 1 and loop else ways[0]
            ways.remove(direction)
            if not ways:
                del steps[corner]
            loop.append(Step(corner, direction))
            corner = corner[0] + direction[0], corner[1] + direction[1]
        loops.append(loop)
    return loops


def _is_hole(loop: Loop) -> bool:
    """Whether an outline is anticlockwise, by its signed area."""
    return sum(direction[1] * begin[0] for begin, direction in loop) < 0


def _bridges(padded: npt.NDArray[np.bool_], loops: list[Loop], holes: list[int]) -> dict[tuple[int, int], list[Bridge]]:
    """(outline, step) -> bridges that begin there.

    A bridge begins at the first step to the right above the hole, which belongs to an outline or to another hole.
    """
    owner = {
        step.begin: (number, place)
        for number, loop in enumerate(loops)
        for place, step in enumerate(loop)
        if step.direction == _RIGHT
    }
    bridges: dict[tuple[int, int], list[Bridge]] = {}
    for number in holes:
        column, end = min((begin for begin, _ in loops[number]), key=lambda corner: (corner[1], corner[0]))
        begin = end
        while padded[begin, column + 1]:  # the pixel above row `begin`
            begin -= 1
        bridges.setdefault(owner[column, begin], []).append(Bridge(column, begin, end, number))
    return bridges


def _polygon(number: int, loops: list[Loop], bridges: dict[tuple[int, int], list[Bridge]]) -> list[list[int]]:
    """The vertices of an outline and of its holes, without those within a straight line."""
    vertices: list[Corner] = []
    for vertex in _vertices(number, loops, bridges):
        if vertices[-1:] == [vertex]:
            continue
        if len(vertices) > 1 and vertices[-1][0] == vertices[-2][0] == vertex[0]:
            between = sorted((vertices[-2][1], vertex[1]))
            if between[0] < vertices[-1][1] < between[1]:
                vertices.pop()
        vertices.append(vertex)
    return [list(vertex) for vertex in vertices]


def _vertices(number: int, loops: list[Loop], bridges: dict[tuple[int, int], list[Bridge]]) -> Iterator[Corner]:
    """The ends of all vertical steps, each hole where its bridge begins; outlines nest too deeply for recursion."""
    stack: list[Iterator[Corner | Bridge]] = [_walk(number, 0, loops, bridges)]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
        elif isinstance(item, Bridge):
            start = _place_below(loops[item.hole], item)
            stack.append(iter([(item.column, item.end), (item.column, item.begin)]))
            stack.append(_walk(item.hole, start, loops, bridges))
            stack.append(iter([(item.column, item.begin), (item.column, item.end)]))
        else:
            yield item


def _place_below(hole: Loop, bridge: Bridge) -> int:
    """Index of the step of a hole at which its bridge ends: the one to the left, below the column."""
    return hole.index(Step((bridge.column + 1, bridge.end), _LEFT))


def _walk(
    number: int, start: int, loops: list[Loop], bridges: dict[tuple[int, int], list[Bridge]]
) -> Iterator["Corner | Bridge"]:
    """The vertices of an outline from a step around to it, and the bridges on the way."""
    loop = loops[number]
    for offset in range(len(loop)):
        place = (start + offset) % len(loop)
        (x, y), direction = loop[place]
        if direction == _DOWN:
            yield x - 1, y
            yield x - 1, y + 1
        elif direction == _UP:
            yield x, y
            yield x, y - 1
        yield from bridges.get((number, place), ())
