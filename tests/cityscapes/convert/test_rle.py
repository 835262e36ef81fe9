"""RLE of COCO: the masks of the COCO API, and hostile segmentations."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityscapes.convert import rle
from cityscapes.convert.faults import SegmentationError
from cityscapes.convert.rle import compressed_counts, decode
from cityscapes.convert.runs import union
from tests.cityscapes.convert import coco_api

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def random_mask(size: tuple[int, int], seed: int) -> coco_api.Mask:
    rng = np.random.default_rng(seed)
    return rng.random(size) < rng.random()


@given(SIZES, st.integers(0, 1 << 30))
def test_encoded_masks_come_back(size: tuple[int, int], seed: int) -> None:
    mask = random_mask(size, seed)
    for encoded in (coco_api.compressed(mask), coco_api.uncompressed(mask)):
        (runs,) = decode(encoded, (size[1], size[0]))
        np.testing.assert_array_equal(runs.mask(), mask)
        assert runs.area == mask.sum()


def test_compressed_text_by_hand() -> None:
    # 5 is one character; 37 = 5 + 32: low bits 5 with the bit for more, then 1; 3 after 5 two before is -2: 11110.
    assert coco_api.text_of([5, 37, 6, 39, 4]) == "5U16" + "2" + "N"
    assert compressed_counts("5U162N").tolist() == [5, 37, 6, 39, 4]


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=40))
def test_large_counts_come_back(counts: list[int]) -> None:
    assert compressed_counts(coco_api.text_of(counts)).tolist() == counts


def test_an_official_size() -> None:
    mask = np.zeros((1024, 2048), np.bool_)
    mask[100:700, 300:900] = np.random.default_rng(1).random((600, 600)) < 0.5
    np.testing.assert_array_equal(union(decode(coco_api.compressed(mask), (2048, 1024))).mask(), mask)


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        (None, "segmentation is None, expected RLE"),
        ("abc", "segmentation is 'abc'"),
        ({}, "size of the RLE is None"),
        ({"size": [4, 4.0], "counts": [16]}, "size of the RLE is [4, 4.0]"),
        ({"size": [4, True], "counts": [16]}, "size of the RLE is [4, True]"),
        ({"size": [31623, 31623], "counts": [10**9]}, "expected at most 67,108,864 pixels"),
        ({"size": [-4, -4], "counts": [16]}, "an RLE of -4 x -4"),
        ({"size": [8, 4], "counts": [32]}, "an RLE of 4 x 8, expected 4 x 4, the size of the image"),
        ({"size": [4, 4], "counts": [15]}, "RLE counts of 15 pixels, expected 16"),
        ({"size": [4, 4], "counts": [16, 1]}, "RLE counts of 17 pixels, expected 16"),
        ({"size": [4, 4], "counts": [17, -1]}, "a run of 17 of 16 pixels"),
        ({"size": [4, 4], "counts": [8, 8.0]}, "RLE counts are [8, 8.0]"),
        ({"size": [4, 4], "counts": [True] * 3}, "RLE counts are [True, True, True]"),
        ({"size": [4, 4], "counts": [1 << 70]}, "more than 64 bits"),
        ({"size": [4, 4], "counts": None}, "RLE counts are None"),
        ({"size": [4, 4], "counts": ""}, "RLE counts of 0 pixels"),
        ({"size": [4, 4], "counts": "é"}, "expected only the characters"),
        ({"size": [4, 4], "counts": "\u4e00"}, "expected only the characters"),
        ({"size": [4, 4], "counts": "oooo"}, "end within a number"),
        ({"size": [4, 4], "counts": "oooooooo0"}, "more than 32 bits"),
        ({"size": [4, 4], "counts": "O"}, "a run of -1 of 16 pixels"),
        ([[1, 2, 3, 4]], "of at least three vertices"),
        ([[1, 2, 3, 4, 5, 6, 7]], "of at least three vertices"),
        ([[1, 2, 3, 4, float("nan"), 6]], "a coordinate is nan"),
        ([[1, 2, 3, 4, float("inf"), 6]], "a coordinate is inf"),
        ([[1, 2, 3, 4, 10**400, 6]], "a coordinate is 1000"),
        ([[1, 2, 3, 4, "5", 6]], "a coordinate is '5'"),
        ([[1, 2, 3, 4, True, 6]], "a coordinate is True"),
        ([[1, 2, 3, 4, 5, 6], 7], "polygon is 7"),
        ([[0, 0, 1e6, 1e6, 0, 1e6] * 50], "an outline of more than"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_segmentations_are_refused(segmentation: Any, expected: str) -> None:
    with pytest.raises(SegmentationError) as caught:
        decode(segmentation, (4, 4))
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 200


def test_polygons_need_the_size_of_the_image() -> None:
    with pytest.raises(SegmentationError, match="--annotations"):
        decode([[0, 0, 3, 0, 3, 3]], None)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [("0" * 71, "an RLE of 71 characters"), (11 * [0], "an RLE of 11 runs, expected one object")],
)
def test_endless_runs_are_refused(counts: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rle, "_MAX_RUNS", 10)
    with pytest.raises(SegmentationError, match=expected):
        decode({"size": [4, 4], "counts": counts}, (4, 4))
