import math

import numpy as np
import pytest

from cityscapes.scoring.instance import images
from cityscapes.scoring.instance.average_precision import ImageDetections, average_precisions
from cityscapes.scoring.instance.matching import CLASSES
from engine import bootstrap
from tests.cityscapes.scoring.instance.drawn_detections import NONE, draw_images


def test_the_interval_of_the_ap_is_over_images() -> None:
    listed = draw_images(2, 8)
    low, high = images.interval(listed)
    ap = np.nanmean(average_precisions(listed))
    assert low < ap < high
    assert images.interval(listed[:1]) == pytest.approx([np.nanmean(average_precisions(listed[:1]))] * 2)


def test_the_interval_of_a_class_holds_its_ap_and_is_that_of_the_class_alone() -> None:
    listed = [ImageDetections(image.stem, (*image.classes[:-1], NONE)) for image in draw_images(2, 8)]
    mean, of_classes = images.intervals(listed)
    assert mean == images.interval(listed)
    assert list(of_classes) == list(CLASSES)
    assert np.isnan(of_classes[CLASSES[-1]]).all()
    aps = average_precisions(listed).mean(1)
    for number, (low, high) in enumerate(list(of_classes.values())[:-1]):
        assert low <= aps[number] <= high
    alone = [ImageDetections(image.stem, (image.classes[0], *(NONE,) * (len(CLASSES) - 1))) for image in listed]
    assert images.interval(alone) == pytest.approx(of_classes[CLASSES[0]])


def test_a_difference_of_equal_results_is_zero() -> None:
    listed = draw_images(3, 8)
    assert images.difference(listed, listed) == bootstrap.Interval(0, 0)


def test_an_interval_without_instances_is_nan() -> None:
    image = ImageDetections("ulm_000000_000019", (NONE,) * len(CLASSES))
    assert np.isnan(images.interval([image, image])).all()


def test_the_figures_of_images_are_those_of_each_image_alone() -> None:
    listed = [*draw_images(4, 6), ImageDetections("ulm_000009_000019", (NONE,) * len(CLASSES))]
    frame = images.to_dataframe(listed)
    assert frame["AP50%"].iloc[:-1].is_monotonic_increasing
    rows = {row["image"]: row for row in frame.to_dict("records")}
    *_, last = rows
    assert last == "ulm_000009_000019"
    assert math.isnan(rows[last]["AP"])
    for image in listed[:-1]:
        row, alone = rows[image.stem], average_precisions([image])
        assert row["AP"] == pytest.approx(np.nanmean(alone), abs=1e-12)
        assert row["AP50%"] == pytest.approx(np.nanmean(alone[:, 0]), abs=1e-12)
        assert [row[name] for name in CLASSES] == pytest.approx(alone[:, 0].tolist(), abs=1e-12, nan_ok=True)
        assert row["instances"] == row["true positives"] + row["missed"]
        predictions = sum(found.confidences.size for found in image.classes)
        assert predictions == row["true positives"] + row["false positives"] + row["ignored"]
