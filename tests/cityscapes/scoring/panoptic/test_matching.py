from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityscapes.scoring.panoptic.matching import CATEGORY_IDS, PanopticCounts, Segments, count_pairs, match
from tests.cityscapes.drawn_panoptic import Ids

CAR, ROAD = CATEGORY_IDS.index(26), CATEGORY_IDS.index(7)


def segments(classes: Mapping[int, int], crowd: tuple[int, ...] = ()) -> Segments:
    """Segments from segment id -> class."""
    return Segments(
        np.array(list(classes), np.int64),
        np.array(list(classes.values()), np.intp),
        np.array([number in crowd for number in classes], np.bool_),
    )


def row(*ids_and_lengths: tuple[int, int]) -> Ids:
    """An image of one row, from runs of ids."""
    ids, lengths = zip(*ids_and_lengths, strict=True)
    return np.repeat(ids, lengths)[None].astype(np.uint32)


def counts_of(true: Ids, predicted: Ids, true_segments: Segments, predicted_segments: Segments) -> PanopticCounts:
    return match("ulm_000000_000019", true_segments, predicted_segments, count_pairs(true, predicted))


def outcome(counts: PanopticCounts, of_class: int = CAR) -> tuple[int, int, int, float]:
    """True positives, false positives, false negatives and sum of IoU of a class."""
    return (int(counts.tp[of_class]), int(counts.fp[of_class]), int(counts.fn[of_class]), float(counts.iou[of_class]))


# Pairs


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 9), width=st.integers(1, 9), number=st.integers(1, 5))
def test_pairs_are_those_of_single_pixels(seed: int, height: int, width: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    true, predicted = rng.choice(rng.integers(0, 1 << 24, number), (2, height, width)).astype(np.uint32)
    pairs = count_pairs(true, predicted)
    expected: dict[tuple[int, int], int] = {}
    for pair in zip(true.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        expected[pair] = expected.get(pair, 0) + 1
    found = zip(pairs.true_ids.tolist(), pairs.predicted_ids.tolist(), pairs.pixels.tolist(), strict=True)
    assert [((true_id, predicted_id), pixels) for true_id, predicted_id, pixels in found] == sorted(expected.items())


# Rules


def test_an_iou_of_exactly_one_half_is_no_match() -> None:
    true, found = segments({26001: CAR}), segments({5: CAR})
    half = counts_of(row((26001, 8), (0, 8)), row((5, 4), (0, 12)), true, found)
    assert outcome(half) == (0, 1, 1, 0.0)
    more = counts_of(row((26001, 8), (0, 8)), row((5, 5), (0, 11)), true, found)
    assert outcome(more) == (1, 0, 0, 5 / 8)


def test_pixels_predicted_on_void_are_not_in_the_union() -> None:
    counts = counts_of(row((26001, 8), (0, 20)), row((5, 28)), segments({26001: CAR}), segments({5: CAR}))
    assert outcome(counts) == (1, 0, 0, 1.0)


@pytest.mark.parametrize(("void", "wrong"), [(4, 1), (5, 0)])
def test_a_segment_is_ignored_if_more_than_half_of_it_is_on_void(void: int, wrong: int) -> None:
    counts = counts_of(row((0, void), (7, 8 - void)), row((5, 8)), segments({7: ROAD}), segments({5: CAR}))
    assert outcome(counts) == (0, wrong, 0, 0.0)
    assert outcome(counts, ROAD) == (0, 0, 1, 0.0)


@pytest.mark.parametrize(("of_class", "wrong"), [(CAR, 0), (ROAD, 1)])
def test_a_segment_on_a_group_is_ignored_if_it_is_of_the_same_class(of_class: int, wrong: int) -> None:
    true = segments({26: CAR, 7: ROAD}, crowd=(26,))
    counts = counts_of(row((26, 5), (7, 3)), row((5, 8)), true, segments({5: of_class}))
    assert outcome(counts, of_class)[:2] == (0, wrong)
    assert outcome(counts, CAR)[2] == 0  # a group is never missed
    assert outcome(counts, ROAD)[2] == 1


def test_void_and_group_count_together() -> None:
    true = segments({26: CAR, 7: ROAD}, crowd=(26,))
    counts = counts_of(row((26, 3), (0, 2), (7, 4)), row((5, 9)), true, segments({5: CAR}))
    assert outcome(counts) == (0, 0, 0, 0.0)


def test_of_several_groups_of_a_class_the_last_counts() -> None:
    found, true_row, found_row = segments({5: CAR}), row((26, 6), (27, 2)), row((5, 8))
    for order, wrong in (((26, 27), 1), ((27, 26), 0)):
        true = segments(dict.fromkeys(order, CAR), crowd=(26, 27))
        assert outcome(counts_of(true_row, found_row, true, found)) == (0, wrong, 0, 0.0)


def test_segments_of_different_classes_do_not_match() -> None:
    counts = counts_of(row((26001, 8)), row((5, 8)), segments({26001: CAR}), segments({5: ROAD}))
    assert outcome(counts) == (0, 0, 1, 0.0)
    assert outcome(counts, ROAD) == (0, 1, 0, 0.0)


def test_an_image_without_segments_has_no_counts() -> None:
    counts = counts_of(row((0, 8)), row((0, 8)), segments({}), segments({}))
    assert [figures.sum() for figures in counts[1:]] == [0, 0, 0, 0]
    assert [figures.dtype for figures in counts[1:]] == [np.float64, np.int64, np.int64, np.int64]
