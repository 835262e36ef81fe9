from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cityscapes.id_kind import SHARES, agreement, by_frequency, by_ground_truth, unlikely_label_ids
from cityscapes.labels import LABEL_ID_OF, TRAIN_ID_OF
from engine.files.images import read_ids

Pixels = npt.NDArray[np.int64]

CLASSES = np.arange(19)


def pixels(**counts: int) -> Pixels:
    table = np.zeros(256, np.int64)
    for name, number in counts.items():
        table[int(name.removeprefix("id"))] = number
    return table


def as_ids(ids: npt.NDArray[np.integer], **void: int) -> Pixels:
    """Pixel counts of a typical scene whose classes have these ids."""
    table = pixels(**void)
    table[ids] += np.round(SHARES * 10_000).astype(np.int64)
    return table


def test_shares_are_those_of_all_labelled_pixels() -> None:
    assert SHARES.shape == (19,)
    assert SHARES.sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        (as_ids(LABEL_ID_OF[CLASSES]), "label ids"),
        (as_ids(LABEL_ID_OF[CLASSES], id0=3000), "label ids"),
        (pixels(id7=5, id8=2, id11=3), "label ids"),
        (pixels(id7=9, id11=3, id255=1), "label ids"),
        (as_ids(CLASSES), "train ids"),
        (as_ids(CLASSES, id255=3000), "train ids"),
        (as_ids(CLASSES, id19=3000), "train ids"),
        (pixels(id0=5, id2=3, id8=2), "train ids"),
        (as_ids(CLASSES + 1), "train ids plus 1"),
        (as_ids(CLASSES + 1, id0=1000), "train ids plus 1"),
        (pixels(id0=1), None),  # all road, or all unlabeled
        (pixels(id0=6, id1=4), None),  # an arbitrary mask
        (pixels(id0=95, id1=5), None),
        (pixels(id0=43, id1=24, id2=2, id3=17, id4=4, id5=1, id6=8), None),  # the categories
        (pixels(**{f"id{number}": 1 for number in CLASSES}), None),
        (pixels(id255=1), None),
        (pixels(), None),
    ],
)
def test_frequencies_decide_the_kind_of_ids(counts: Pixels, kind: str | None) -> None:
    assert by_frequency(counts) == kind


def test_the_kind_is_recognised_in_each_real_scene(real_data: Path) -> None:
    paths = sorted((real_data / "cityscapes/gtFine").glob("*/*/*_labelIds.png"))[::5]
    for path in paths:
        label_ids = read_ids(path)
        train_ids = TRAIN_ID_OF[label_ids]
        for ids, kind in (
            (LABEL_ID_OF[train_ids], "label ids"),
            (train_ids, "train ids"),
            (train_ids + np.uint8(1), "train ids plus 1"),  # 255 becomes 0
        ):
            assert by_frequency(np.bincount(ids.ravel(), minlength=256)) == kind, path
    assert paths


def confused(ids: npt.NDArray[np.integer], right: float) -> Pixels:
    """Confusion with the ground truth of typical scenes: a share of the pixels is correct, the others are terrain."""
    table = np.zeros((34, 256), np.int64)
    truth = LABEL_ID_OF[CLASSES]
    np.add.at(table, (truth, ids), np.round(SHARES * 10_000 * right).astype(np.int64))
    np.add.at(table, (truth, ids[9]), np.round(SHARES * 10_000 * (1 - right)).astype(np.int64))
    return table


@pytest.mark.parametrize("right", [0.3, 1.0])
@pytest.mark.parametrize(
    ("ids", "kind"),
    [(LABEL_ID_OF[CLASSES], "label ids"), (CLASSES, "train ids"), (CLASSES + 1, "train ids plus 1")],
)
def test_ground_truth_decides_the_kind_of_ids(ids: npt.NDArray[np.integer], kind: str, right: float) -> None:
    assert by_ground_truth(agreement(confused(ids, right))) == kind


def test_ground_truth_without_agreement_decides_nothing() -> None:
    assert by_ground_truth(agreement(np.zeros((34, 34), np.int64))) is None
    assert by_ground_truth(agreement(np.ones((34, 34), np.int64))) is None


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (pixels(id0=1), False),
        (pixels(id7=90, id11=10), False),
        (pixels(id7=995, id4=5), False),
        (pixels(id7=90, id4=10), True),
        (pixels(id7=90, id255=1), True),
        (pixels(id4=90, id26=1), False),
        (pixels(), False),
    ],
)
def test_ids_that_are_unlikely_to_be_label_ids(counts: Pixels, expected: bool) -> None:
    assert unlikely_label_ids(counts) == expected
