from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes

from cityscapes.formats.instance import BoxedMask
from cityscapes.scoring.instance import confusion
from cityscapes.scoring.instance.average_precision import detections
from cityscapes.scoring.instance.matching import CLASSES, GroundTruth, Matcher
from engine.arrays import Int64Array
from engine.files.images import read_image

PERSON, CAR, TRUCK, BUS = (CLASSES.index(name) for name in ("person", "car", "truck", "bus"))
SKY, EGO_VEHICLE = 23, 1

Prediction = tuple[int, float, tuple[int, int]]
"""Class, confidence, and first and last column."""


def count(columns: dict[tuple[int, int], int], predictions: list[Prediction]) -> Int64Array:
    """The confusion of a scene of 20 x 200 pixels.

    Args:
        columns: first and last column -> instance id; everything else is sky.
        predictions: all 20 rows of some columns.
    """
    ids = np.full((20, 200), SKY, np.uint16)
    for (first, last), instance_id in columns.items():
        ids[:, first:last] = instance_id
    matcher = Matcher(GroundTruth(ids))
    for class_index, confidence, (first, last) in predictions:
        pixels: npt.NDArray[np.bool_] = np.ones((20, last - first), np.bool_)
        matcher.add(class_index, confidence, BoxedMask((200, 20), 0, first, pixels))
    matches = matcher.matches("ulm_000000_000019")
    return confusion.count(matches, detections(matches))


def named(found: Int64Array) -> dict[tuple[str, str], int]:
    """Row and column -> number, without zeros."""
    return {
        (confusion.ROWS[row], confusion.COLUMNS[column]): int(found[row, column]) for row, column in np.argwhere(found)
    }


def test_an_instance_is_confused_with_the_class_of_its_prediction() -> None:
    scene = {(0, 40): 26_000, (50, 90): 26_001, (100, 140): 24_000}
    found = count(scene, [(CAR, 0.5, (0, 40)), (TRUCK, 0.9, (52, 90)), (BUS, 0.3, (150, 170))])
    assert named(found) == {("car", "car"): 1, ("car", "truck"): 1, ("person", "missed"): 1, ("background", "bus"): 1}


def test_the_most_confident_prediction_matches_and_the_others_are_duplicates() -> None:
    predictions = [(CAR, 0.6, (0, 40)), (TRUCK, 0.7, (0, 30)), (CAR, 0.5, (0, 38))]
    assert named(count({(0, 40): 26_000}, predictions)) == {("car", "truck"): 1, ("duplicate", "car"): 2}


@pytest.mark.parametrize("order", [1, -1])
def test_of_equal_confidences_the_greater_overlap_matches(order: int) -> None:
    predictions = [(CAR, 0.6, (0, 38)), (TRUCK, 0.6, (0, 30))][::order]
    assert named(count({(0, 40): 26_000}, predictions)) == {("car", "car"): 1, ("duplicate", "truck"): 1}


def test_an_overlap_of_half_is_not_a_match() -> None:
    assert named(count({(0, 40): 26_000}, [(CAR, 0.6, (0, 20))])) == {("car", "missed"): 1, ("background", "car"): 1}
    assert named(count({(0, 40): 26_000}, [(CAR, 0.6, (0, 21))])) == {("car", "car"): 1}


def test_predictions_on_void_groups_and_small_instances_are_ignored() -> None:
    """A prediction of another class than the group is not ignored, as in the score."""
    scene = {(0, 20): EGO_VEHICLE, (30, 60): 26, (70, 74): 24_000}
    predictions = [(CAR, 0.9, (5, 20)), (CAR, 0.9, (30, 50)), (PERSON, 0.9, (70, 74)), (BUS, 0.9, (30, 50))]
    assert named(count(scene, predictions)) == {("background", "bus"): 1}


def test_each_instance_and_each_prediction_is_counted_once() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = {
            (place, place + int(rng.integers(6, 20))): 24_000 + 1000 * int(rng.integers(0, 5)) + place
            for place in range(0, 180, 20)
        }
        predictions = [
            (int(rng.integers(0, 5)), float(rng.integers(0, 4)), (place, place + int(rng.integers(3, 20))))
            for place in rng.integers(0, 180, 25).tolist()
        ]
        found = count(scene, predictions)
        assert found[: len(CLASSES)].sum() == len(scene)
        assert found[:, : len(CLASSES)].sum() == len(predictions)


def test_the_table_has_percent_of_rows_and_their_number() -> None:
    found = np.zeros((10, 9), np.int64)
    found[CAR, [CAR, TRUCK, 8]] = 17, 2, 1
    found[9, CAR] = 4
    lines = confusion.table(found).splitlines()
    assert lines[0].split()[-3:] == ["bicycle", "missed", "number"]
    assert lines[1 + CAR].split() == ["car", ".", ".", "85", "10", ".", ".", ".", ".", "5", "20"]
    assert lines[1 + PERSON].split() == ["person", *["-"] * 9, "0"]
    assert lines[-1].split()[0] == "background"
    frame = confusion.to_dataframe(found).set_index("true \\ predicted")
    assert frame.loc["car", "truck"] == 2
    assert frame.loc["background", "car"] == 4


def test_the_picture_has_the_number_of_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    set_yticks = Axes.set_yticks

    def record(axes: Axes, places: Any, names: list[str]) -> Any:
        drawn.extend(names)
        return set_yticks(axes, places, names)

    monkeypatch.setattr(Axes, "set_yticks", record)
    matrix = np.zeros((len(confusion.ROWS), len(confusion.COLUMNS)), np.int64)
    matrix[2, 2], matrix[2, -1], matrix[-1, 2] = 1200, 34, 5
    confusion.write_picture(tmp_path / "confusion.png", matrix)
    assert drawn[2] == "car (1,234)"
    assert drawn[-2:] == ["duplicate (0)", "background (5)"]
    assert read_image(tmp_path / "confusion.png").size
