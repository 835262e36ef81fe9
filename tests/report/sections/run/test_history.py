"""Curves of a run."""

import json
import math
from typing import Any

from report.records import Run
from report.sections.run import history

CLASSES = ("road", "sky")


def run(rows: list[dict[str, Any]], classes: tuple[str, ...] = CLASSES) -> Run:
    return Run("demo", None, "complete", "", {}, tuple(rows), {}, "", classes, (), (), ())


def row(epoch: int, miou: float | None, **more: Any) -> dict[str, Any]:
    return {"epoch": epoch, "train_loss": 1 / epoch, "val_miou": miou, "val_iou": [miou, None], **more}


def test_columns_are_those_that_have_values() -> None:
    content = history.content(run([row(1, 0.123456789), row(2, None), row(3, 0.3)]))
    assert content is not None
    assert content["epochs"] == [1, 2, 3]
    assert content["val_miou"] == [0.12345679, None, 0.3]
    assert content["train_loss"] == [1, 0.5, 0.33333333]
    assert "train_miou" not in content
    assert "learning_rate" not in content
    assert content["best"] == 2
    assert content["left_out"] == 0


def test_a_run_without_epochs_has_no_curves() -> None:
    assert history.content(run([])) is None
    assert history.content(run([{"epoch": "first"}])) is None


def test_values_that_are_not_numbers_are_missing() -> None:
    content = history.content(run([row(1, math.nan, train_loss=[1.0]), row(2, 0.5, train_loss=math.inf)]))
    assert content is not None
    assert "train_loss" not in content
    assert content["val_miou"] == [None, 0.5]
    assert content["best"] == 1


def test_an_unvalidated_run_has_no_best_epoch() -> None:
    content = history.content(run([row(1, None)]))
    assert content is not None
    assert content["best"] is None


def test_a_long_history_is_thinned_and_keeps_its_first_best_and_last_epoch() -> None:
    rows = [row(epoch, 0.9 if epoch == 778 else 0.5) for epoch in range(1, 5001)]
    content = history.content(run(rows))
    assert content is not None
    assert content["epochs"][0] == 1
    assert content["epochs"][-1] == 5000
    assert content["epochs"][content["best"]] == 778
    assert content["left_out"] + len(content["epochs"]) == 5000
    assert len(content["epochs"]) == len(content["val_miou"]) <= 403
    assert 778 in content["by_class"]["epochs"]


def test_twenty_runs_of_a_thousand_epochs_stay_small() -> None:
    classes = tuple(f"class {number}" for number in range(19))
    figures = dict.fromkeys(history.COLUMNS, 0.123456789)
    lists = {"train_iou": [0.123456789] * 19, "val_iou": [0.123456789] * 19}
    content = history.content(run([{"epoch": epoch, **figures, **lists} for epoch in range(1, 1001)], classes))
    assert 20 * len(json.dumps(content)) < 1_500_000


def test_iou_of_classes_is_of_validation_images_if_there_are_any() -> None:
    content = history.content(run([row(1, 0.25), row(2, 0.5)]))
    assert content is not None
    assert content["by_class"] == {
        "split": "val",
        "epochs": [1, 2],
        "names": ["road", "sky"],
        "values": [[0.25, 0.5], [None, None]],
    }
    only_training = history.content(run([{"epoch": 1, "val_iou": None, "train_iou": [0.5, 0.25]}]))
    assert only_training is not None
    assert only_training["by_class"]["split"] == "train"


def test_lists_of_another_number_of_classes_are_left_out() -> None:
    content = history.content(run([row(1, 0.25)], ("road", "sky", "car")))
    assert content is not None
    assert content["by_class"] is None


def test_epochs_that_a_long_history_lacks_are_counted_as_left_out() -> None:
    content = history.content(run([row(epoch, 0.5) for epoch in range(2, 3001, 2)]))
    assert content is not None
    assert len(content["epochs"]) + content["left_out"] == 3000
