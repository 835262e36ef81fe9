"""Masks as polygons: the fill rule of the ground truth draws exactly the mask again."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from cityscapes.convert import outline
from cityscapes.convert.faults import SegmentationError
from cityscapes.convert.outline import polygons_of
from cityscapes.ground_truth import fill


def filled(polygons: list[list[list[int]]], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """How many polygons, drawn one by one, cover each pixel."""
    times = np.zeros(shape, np.uint8)
    for polygon in polygons:
        pieces = fill.pieces([np.array(polygon, np.int64)], shape[1], shape[0])
        times += pieces.image(np.array([0, 1], np.uint8))
    return times


@settings(max_examples=300)
@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 1 << 30))
def test_random_masks_are_drawn_again(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.random()
    polygons = polygons_of(mask)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)
    assert len(polygons) == label(mask, np.ones((3, 3)))[1]


def test_a_ring_in_a_ring_is_two_polygons() -> None:
    mask = np.zeros((11, 13), np.bool_)
    for margin in range(5):
        mask[margin : 11 - margin, margin : 13 - margin] = margin % 2 == 0
    polygons = polygons_of(mask)
    assert len(polygons) == 3  # two rings and the middle
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


def test_a_rectangle_has_four_vertices() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[2:5, 3:8] = True
    assert sorted(map(tuple, polygons_of(mask)[0])) == [(3, 2), (3, 5), (7, 2), (7, 5)]
    assert polygons_of(np.zeros((3, 3), np.bool_)) == []


def test_outlines_of_noise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline, "_MAX_EDGES", 100)
    with pytest.raises(SegmentationError, match="outlines of more than 100 pixels"):
        polygons_of(np.indices((20, 20)).sum(0) % 2 == 0)
