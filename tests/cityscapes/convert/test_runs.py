"""Masks as runs: their union, and their PNG without decoding them."""

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cityscapes.convert.runs import Runs, of_edges, union
from cityscapes.formats.instance import encode_mask
from tests.cityscapes.convert import coco_api

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def random_runs(size: tuple[int, int], seed: int) -> tuple[Runs, coco_api.Mask]:
    """A mask as runs, some of them empty, and as pixels."""
    rng = np.random.default_rng(seed)
    mask = rng.random(size) < rng.random()
    counts = coco_api.counts_of(mask)
    for place in sorted(rng.integers(0, len(counts) + 1, 2).tolist(), reverse=True):
        counts[place:place] = [0, 0] if place < len(counts) else [0]  # runs without a pixel change nothing
    return Runs(size[1], size[0], np.array(counts, np.int64)), mask


@given(SIZES, st.integers(0, 1 << 30))
def test_the_png_is_that_of_the_mask(size: tuple[int, int], seed: int) -> None:
    runs, mask = random_runs(size, seed)
    np.testing.assert_array_equal(runs.mask(), mask)
    assert runs.png() == encode_mask(mask)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(runs.png()))), np.where(mask, 255, 0))


@given(SIZES, st.lists(st.integers(0, 1 << 30), min_size=1, max_size=4))
def test_the_union_has_the_pixels_of_all(size: tuple[int, int], seeds: list[int]) -> None:
    parts = [random_runs(size, seed) for seed in seeds]
    expected = np.logical_or.reduce([mask for _, mask in parts])
    united = union([runs for runs, _ in parts])
    np.testing.assert_array_equal(united.mask(), expected)
    assert united.area == expected.sum()
    assert united.png() == encode_mask(expected)


def test_edges_in_pairs_change_nothing() -> None:
    assert of_edges(np.array([7, 3, 5, 5, 7, 7]), 4, 3).counts.tolist() == [3, 4, 5]
    assert of_edges(np.zeros(0, np.int64), 4, 3).counts.tolist() == [12]
