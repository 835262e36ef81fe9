import math

import numpy as np
import pytest

from cityscapes.labels import BY_NAME
from cityscapes.scoring.panoptic.matching import CATEGORY_IDS, NAMES, PanopticCounts
from cityscapes.scoring.panoptic.quality import GROUPS, average, qualities, total


def counts(iou: float, *matches: int, name: str = "car") -> PanopticCounts:
    """Counts in which one class occurs."""
    of_class = np.arange(len(NAMES)) == NAMES.index(name)
    return PanopticCounts("ulm_000000_000019", of_class * iou, *(of_class * number for number in matches))


def test_classes_are_the_scored_labels_in_the_order_of_their_ids() -> None:
    assert len(NAMES) == 19
    assert sorted(CATEGORY_IDS) == list(CATEGORY_IDS) == [BY_NAME[name].id for name in NAMES]
    assert [name for name, is_thing in zip(NAMES, GROUPS["Things"], strict=True) if is_thing] == [
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    ]


def test_quality_is_that_of_the_paper() -> None:
    of_class = qualities(*counts(1.5, 2, 1, 3)[1:])
    car = NAMES.index("car")
    assert (of_class.pq[car], of_class.sq[car], of_class.rq[car]) == (1.5 / 4, 1.5 / 2, 2 / 4)
    assert np.isnan(of_class.pq).sum() == np.isnan(of_class.sq).sum() == np.isnan(of_class.rq).sum() == 18


def test_a_class_without_a_match_has_quality_zero() -> None:
    of_class = qualities(*counts(0.0, 0, 1, 0)[1:])
    assert [figures[NAMES.index("car")] for figures in of_class] == [0, 0, 0]


def test_averages_are_over_the_classes_that_occur() -> None:
    summed = total([counts(0.8, 1, 0, 0), counts(0.0, 0, 1, 1, name="road")])
    of_classes = qualities(*summed[1:])
    assert average(of_classes, GROUPS["All"]) == (0.4, 0.4, 0.5, 2)
    assert average(of_classes, GROUPS["Things"]) == (0.8, 0.8, 1.0, 1)
    assert average(of_classes, GROUPS["Stuff"]) == (0.0, 0.0, 0.0, 1)


def test_an_average_of_no_class_is_no_figure() -> None:
    *figures, n = average(qualities(*counts(0.8, 1, 0, 0)[1:]), GROUPS["Stuff"])
    assert n == 0
    assert all(math.isnan(figure) for figure in figures)


def test_the_quality_of_many_samples_is_computed_at_once() -> None:
    images = [counts(0.8, 1, 0, 0), counts(0.0, 0, 1, 1, name="road"), counts(0.6, 1, 2, 0)]
    stacked = qualities(*(np.stack([image[field] for image in images]) for field in range(1, 5)))
    for index, image in enumerate(images):
        for figures, single in zip(stacked, qualities(*image[1:]), strict=True):
            np.testing.assert_array_equal(figures[index], single)


def test_no_image_has_no_quality() -> None:
    assert average(qualities(*total([])[1:]), GROUPS["All"]).n == 0
    assert total([counts(0.8, 1, 0, 0)]).to_json().keys() == {"iou", "tp", "fp", "fn"}


@pytest.mark.parametrize("name", ["iou", "tp", "fp", "fn"])
def test_totals_are_sums(name: str) -> None:
    images = [counts(0.8, 1, 0, 0), counts(0.6, 1, 2, 3)]
    np.testing.assert_array_equal(getattr(total(images), name), sum(getattr(image, name) for image in images))
