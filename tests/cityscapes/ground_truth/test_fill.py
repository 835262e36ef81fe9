import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityscapes.ground_truth import fill
from engine.errors import InputError

GOLDEN = json.loads((Path(__file__).parent / "polygon_fill_golden.json").read_text())
"""72 polygons as painted by Pillow 1.7.8 and 2.4.0, which have the polygon fill of the official masks."""


def painted(polygon: list[list[int]], width: int, height: int) -> npt.NDArray[np.uint16]:
    return fill.pieces([np.array(polygon).reshape(-1, 2)], width, height).image(np.array([0, 1], np.uint16))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=range(len(GOLDEN["cases"])))
def test_equals_the_pillow_of_the_official_masks(case: dict[str, Any]) -> None:
    image = painted(case["polygon"], GOLDEN["width"], GOLDEN["height"])
    assert image.sum() == case["painted"]
    assert hashlib.sha256(image.astype(np.uint8).tobytes()).hexdigest() == case["sha256"]


def test_a_box_paints_its_right_and_left_edge_but_not_its_last_row() -> None:
    image = painted([[2, 2], [10, 2], [10, 9], [2, 9]], 20, 20)
    rows, columns = image.nonzero()
    assert (columns.min(), columns.max(), rows.min(), rows.max(), image.sum()) == (2, 10, 2, 8, 63)


def slow_fill(polygon: list[tuple[int, int]], width: int, height: int) -> npt.NDArray[np.uint16]:
    """The rule, applied to one pixel row and one edge at a time."""
    image = np.zeros((height, width), np.uint16)
    f32 = np.float32
    for y in range(height):
        crossings = []
        for (xa, ya), (xb, yb) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            if min(ya, yb) <= y < max(ya, yb):
                slope = f32(xb - xa) / f32(yb - ya)
                crossings.append(f32(f32(y + 0.5 - ya) * slope) + f32(xa))
        crossings.sort()
        for left, right in zip(crossings[0::2], crossings[1::2], strict=True):
            first = math.ceil(left - f32(0.5))
            last = math.floor(right + f32(0.5))
            image[y, max(0, first) : max(0, last + 1)] = 1
    return image


coordinate = st.integers(-30, 60)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=9))
def test_equals_a_slow_implementation_of_the_rule(polygon: list[tuple[int, int]]) -> None:
    fast = painted([list(vertex) for vertex in polygon], 31, 27)
    assert np.array_equal(fast, slow_fill(polygon, 31, 27))


def test_later_polygons_cover_earlier_ones() -> None:
    square, dot = np.array([[0, 0], [7, 0], [7, 8], [0, 8]]), np.array([[2, 2], [4, 2], [4, 5], [2, 5]])
    image = fill.pieces([square, dot, dot + 3], 8, 8).image(np.array([0, 7, 8, 9], np.uint8))
    assert image[0, 0] == 7
    assert image[3, 3] == 8
    assert image[6, 6] == 9


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(coordinate, coordinate), max_size=6), max_size=8))
def test_painting_pieces_equals_painting_one_polygon_after_the_other(
    polygons: list[list[tuple[int, int]]],
) -> None:
    slowly = np.zeros((27, 31), np.uint16)
    for number, polygon in enumerate(polygons, start=1):
        slowly[slow_fill(polygon, 31, 27) == 1] = number
    arrays = [np.array(polygon, np.int64).reshape(-1, 2) for polygon in polygons]
    values = np.arange(len(polygons) + 1, dtype=np.uint16)
    assert np.array_equal(fill.pieces(arrays, 31, 27).image(values), slowly)


def test_nothing_to_paint() -> None:
    assert not fill.pieces([], 4, 4).image(np.array([0], np.uint8)).any()
    outside = [np.array([[50, 50], [60, 50], [60, 60]])]
    assert not fill.pieces(outside, 4, 4).image(np.array([0, 1], np.uint8)).any()


def test_polygons_that_need_gigabytes_are_refused() -> None:
    zigzag = [np.array([[number, -9 if number % 2 else 40_000] for number in range(2000)])]
    with pytest.raises(InputError, match="crossings of outlines with rows of pixels, expected at most 33,554,432"):
        fill.pieces(zigzag, 2000, 1 << 15)
    nested = [np.array([[n, 0], [1 << 14, 0], [1 << 14, 9], [n, 9]]) for n in range(8000)]
    with pytest.raises(InputError, match="overlapping pieces of rows, expected at most"):
        fill.pieces(nested, 1 << 14, 4)
