import json
import math
from typing import Any

import numpy as np
import pytest

from cityscapes.scoring.instance import average_precision
from cityscapes.scoring.instance.average_precision import Detections, ImageDetections, detections
from cityscapes.scoring.instance.matching import CLASSES, ImageMatches, Instances, Pairs, Predictions


def matches(
    instances: list[tuple[int, int, int]],
    predictions: list[tuple[int, float, int, int]],
    pairs: list[tuple[int, int, int]],
) -> ImageMatches:
    """Overlaps from rows of (class, instance id, pixels), (class, confidence, pixels, void) and (indices, pixels)."""
    return ImageMatches(
        "a",
        Instances(*np.array(instances, np.int64).reshape(-1, 3).T),
        Predictions(
            np.array([row[0] for row in predictions], np.int64),
            np.array([row[1] for row in predictions], np.float64),
            np.array([row[2] for row in predictions], np.int64),
            np.array([row[3] for row in predictions], np.int64),
        ),
        Pairs(*np.array(pairs, np.int64).reshape(-1, 3).T),
    )


def texts(found: Detections) -> list[str]:
    content: list[str] = found.to_json()["outcomes"]
    return content


CAR, TRUCK = CLASSES.index("car"), CLASSES.index("truck")


def test_an_overlap_must_be_greater_than_the_threshold() -> None:
    found = detections(
        matches([(CAR, 26000, 200)], [(CAR, 0.5, 100, 0), (CAR, 0.5, 101, 0)], [(0, 0, 100), (0, 1, 101)])
    )
    assert texts(found.classes[CAR]) == ["0000000000", "1000000000"]
    assert found.classes[CAR].missed().tolist() == [0, *[1] * 9]


def test_the_most_confident_prediction_finds_an_instance() -> None:
    predictions = [(CAR, confidence, 200, 0) for confidence in (0.3, 0.9, 0.5, 0.9)]
    found = detections(matches([(CAR, 26000, 200)], predictions, [(0, number, 200) for number in range(4)]))
    assert texts(found.classes[CAR]) == ["0" * 10, "0" * 10, "0" * 10, "1" * 10]


def test_predictions_on_void_groups_and_small_instances_are_ignored() -> None:
    instances = [(CAR, 26, 500), (CAR, 26001, 99), (CAR, 26002, 100)]
    predictions = [(CAR, 0.5, 100, 60), (CAR, 0.5, 100, 0), (CAR, 0.5, 99, 0), (CAR, 0.5, 100, 0), (TRUCK, 0.5, 100, 0)]
    pairs = [(0, 1, 60), (1, 2, 99), (2, 3, 30), (1, 3, 60), (0, 4, 100)]
    found = detections(matches(instances, predictions, pairs))
    assert found.classes[CAR].instances == 1
    assert found.classes[TRUCK].instances == 0
    assert texts(found.classes[CAR]) == ["--00000000", "--00000000", "-" * 10, "--00000000"]
    assert texts(found.classes[TRUCK]) == ["0" * 10]


def test_a_small_group_is_subtracted_twice_as_in_the_official_script() -> None:
    found = detections(matches([(CAR, 26, 90)], [(CAR, 0.5, 200, 0)], [(0, 0, 60)]))
    assert texts(found.classes[CAR]) == ["--00000000"]


def test_a_class_without_instances_and_one_without_predictions() -> None:
    none = Detections(np.zeros(0), np.zeros((0, 10), np.int8), 0)
    assert np.isnan(average_precision.average_precision(none)).all()
    assert np.isnan(average_precision.average_precision(none._replace(**wrong(1)))).all()
    assert average_precision.average_precision(none._replace(instances=1)).tolist() == [0.0] * 10


def wrong(number: int) -> dict[str, Any]:
    return {"confidences": np.arange(number) / 10, "outcomes": np.zeros((number, 10), np.int8)}


def test_a_class_whose_predictions_are_all_ignored_has_no_precision() -> None:
    ignored = Detections(np.array([0.5]), np.full((1, 10), -1, np.int8), 2)
    assert average_precision.average_precision(ignored).tolist() == [0.0] * 10


def test_a_curve_by_hand() -> None:
    # 0.9 right, 0.8 wrong, 0.7 right; 4 instances: precisions 1, 1/2, 2/3 at recalls 1/4, 1/4, 2/4.
    outcomes = np.repeat(np.array([[1], [0], [1]], np.int8), 10, axis=1)
    found = Detections(np.array([0.9, 0.8, 0.7]), outcomes, 4)
    # Steps: between neighbouring points on both sides, halved, as the official script integrates.
    precision, recall = [2 / 3, 1 / 2, 1.0, 1.0], [2 / 4, 1 / 4, 1 / 4, 0.0]
    padded = [recall[0], *recall, 0.0]
    area = sum(p * (padded[i] - padded[i + 2]) / 2 for i, p in enumerate(precision))
    assert average_precision.average_precision(found).tolist() == pytest.approx([area] * 10, abs=1e-12)


def image() -> ImageDetections:
    return detections(
        matches(
            [(CAR, 26000, 200), (TRUCK, 27, 300)],
            [(CAR, 0.25, 150, 0), (TRUCK, -1.5, 100, 60), (CAR, 0.1 + 0.2, 200, 0)],
            [(0, 0, 150), (1, 1, 20), (0, 2, 20)],
        )
    )


def test_outcomes_are_read_back_from_json() -> None:
    content = json.loads(json.dumps({"a": image().to_json()}))
    assert content["a"] == {
        "car": {"instances": 1, "confidences": [0.25, 0.1 + 0.2], "outcomes": ["1111100000", "0000000000"]},
        "truck": {"instances": 0, "confidences": [-1.5], "outcomes": ["------0000"]},
    }
    (read,) = average_precision.from_json(content)
    assert read.stem == "a"
    for ours, again in zip(image().classes, read.classes, strict=True):
        np.testing.assert_array_equal(ours.confidences, again.confidences)
        np.testing.assert_array_equal(ours.outcomes, again.outcomes)
        assert ours.instances == again.instances


@pytest.mark.parametrize(
    "content",
    [
        {"bench": {"instances": 1, "confidences": [], "outcomes": []}},
        {"car": {"instances": True, "confidences": [], "outcomes": []}},
        {"car": {"instances": -1, "confidences": [], "outcomes": []}},
        {"car": {"instances": 1 << 40, "confidences": [], "outcomes": []}},
        {"car": {"instances": 1, "confidences": [math.nan], "outcomes": ["1" * 10]}},
        {"car": {"instances": 1, "confidences": [10**400], "outcomes": ["1" * 10]}},
        {"car": {"instances": 1, "confidences": ["0.5"], "outcomes": ["1" * 10]}},
        {"car": {"instances": 1, "confidences": [0.5], "outcomes": []}},
        {"car": {"instances": 1, "confidences": [0.5], "outcomes": ["1" * 9]}},
        {"car": {"instances": 1, "confidences": [0.5], "outcomes": ["1" * 9 + "2"]}},
        {"car": {"instances": 0, "confidences": [0.5], "outcomes": ["1" * 10]}},
        {"car": {"instances": 1}},
        {"car": 3},
        [],
        7,
    ],
)
def test_invalid_outcomes_are_refused(content: Any) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        average_precision.from_json({"a": content})
