"""Polygons of COCO, drawn as by the COCO API."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cityscapes.convert.rle import decode
from cityscapes.convert.runs import union
from tests.cityscapes.convert import coco_api

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
COORDINATES = st.floats(-6, 30).map(lambda value: round(value, 2))


@settings(max_examples=300)
@given(SIZES, st.lists(COORDINATES, min_size=6, max_size=16).filter(lambda values: len(values) % 2 == 0))
def test_polygons_are_drawn_as_by_the_coco_api(size: tuple[int, int], polygon: list[float]) -> None:
    height, width = size
    (runs,) = decode([polygon], (width, height))
    np.testing.assert_array_equal(runs.mask(), coco_api.drawn(polygon, height, width))


def test_several_polygons_are_united() -> None:
    boxes = [[1, 1, 4, 1, 4, 4, 1, 4], [2, 2, 6, 2, 6, 6, 2, 6]]
    expected = np.zeros((8, 8), np.bool_)
    expected[1:4, 1:4] = expected[2:6, 2:6] = True
    np.testing.assert_array_equal(union(decode(boxes, (8, 8))).mask(), expected)
    one = union(decode(boxes[0], (8, 8)))  # without the outer list
    np.testing.assert_array_equal(one.mask(), union(decode(boxes[:1], (8, 8))).mask())
