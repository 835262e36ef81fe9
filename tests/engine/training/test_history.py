import json
import math
from pathlib import Path

import pytest

from engine.training.history import Row, by_class, columns, line, plot
from engine.training.metrics import Metrics

ROW = {"epoch": 1, "val_miou": 0.5, "train_miou": 0.25, "val_iou": [0.5, None], "train_iou": [0.25, 0.125]}


def test_a_table_of_the_classes_of_an_epoch() -> None:
    assert by_class(ROW, ["road", "rail track"]).render().splitlines() == [
        "IoU           val  train",
        "road        50.00  25.00",
        "rail track      -  12.50",
        "mean        50.00  25.00",
    ]


def test_a_class_that_does_not_occur_has_no_figure() -> None:
    assert columns("val", 2.0, Metrics(0.5, 0.6, 0.7, 0.8, [0.5, math.nan])) == {
        "val_loss": 2.0,
        "val_miou": 0.5,
        "val_mean_dice": 0.6,
        "val_mean_pixel_accuracy": 0.7,
        "val_pixel_accuracy": 0.8,
        "val_iou": [0.5, None],
    }


def test_missing_values_are_null_in_json() -> None:
    """If every pixel is void, metrics have no value."""
    row = columns("train", 0.0, Metrics(math.nan, math.nan, math.nan, math.nan, [math.nan]))
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        "train_loss": 0.0,
        **dict.fromkeys(["train_miou", "train_mean_dice", "train_mean_pixel_accuracy", "train_pixel_accuracy"]),
        "train_iou": [None],
    }


def test_an_epoch_as_a_line() -> None:
    row = {**ROW, "train_loss": 1.5, "seconds": 30.0, "images_per_second": 2.0}
    expected = "epoch 1/5  loss 1.5000  train mIoU 25.00  val mIoU 50.00 (best 75.00)  2.00 images/s  2.0 min left"
    assert line(row, {"val_miou": 0.75}, 5) == expected
    unmeasured = "epoch 1/5  loss 1.5000  train mIoU 25.00  2.00 images/s  2.0 min left"
    assert line({**row, "val_miou": None}, None, 5) == unmeasured
    assert "train mIoU -  " in line({**row, "train_miou": None}, None, 5)


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_curves_of_every_kind(tmp_path: Path, kind: str, start: bytes) -> None:
    """Also if an epoch was not validated, or a metric has no value."""
    metrics = {
        f"{split}_{name}": 0.5
        for split in ("train", "val")
        for name in ("loss", "miou", "mean_dice", "pixel_accuracy", "mean_pixel_accuracy")
    }
    rows: list[Row] = [{"epoch": epoch, "learning_rate": 0.1, **metrics} for epoch in (1, 2)]
    rows[0] |= dict.fromkeys(metrics)
    plot(rows, tmp_path / f"curves.{kind}", "a run")
    content = (tmp_path / f"curves.{kind}").read_bytes()
    assert content.startswith(start)
    if kind == "svg":
        assert all(f"<!-- {label} -->".encode() in content for label in ("mean Dice (%)", "pixel accuracy (%)", "val"))
