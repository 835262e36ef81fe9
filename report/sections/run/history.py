"""Curves of a run: columns of its history, thinned so that long trainings do not bloat the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from report.records import Run
from report.sections.values import number, numbers

METRICS = ("loss", "miou", "mean_dice", "pixel_accuracy", "mean_pixel_accuracy")
"""Metrics that the history has for training crops and for validation images."""
COLUMNS = ("learning_rate", *(f"{split}_{metric}" for metric in METRICS for split in ("train", "val")))
_EPOCHS, _CLASS_EPOCHS = 400, 80
"""Largest number of epochs in the curves, and in the curves of single classes."""


def content(run: Run) -> dict[str, Any] | None:
    """Curves of a run; None if no epoch was recorded.

    Keys: `epochs`, and a column for each of `COLUMNS` that has a value; `best`, the position of the best epoch;
    `left_out`, the number of epochs that are not in the curves; `by_class`, see `_by_class`.
    """
    rows = sorted((row for row in run.history if number(row.get("epoch")) is not None), key=lambda row: row["epoch"])
    if not rows:
        return None
    best = _best(rows)
    kept = _thinned(rows, _EPOCHS, best)
    columns = {name: numbers(row.get(name) for row in kept) for name in COLUMNS}
    return {
        "epochs": [row["epoch"] for row in kept],
        **{name: values for name, values in columns.items() if any(value is not None for value in values)},
        "best": None if best is None else kept.index(best),
        "left_out": max(len(rows), trained(rows)) - len(kept),
        "by_class": _by_class(run.classes, rows, best),
    }


def trained(rows: Sequence[Mapping[str, Any]]) -> int:
    """Number of epochs that were trained, of which damaged and very long histories lack some."""
    return max((row["epoch"] for row in rows if type(row.get("epoch")) is int), default=0)


def _best(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Row of the best epoch by validation mIoU; the first of several, None if no epoch was validated."""
    validated = [row for row in rows if number(row.get("val_miou")) is not None]
    return max(validated, key=lambda row: float(row["val_miou"]), default=None)


def _by_class(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], best: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """IoU of each class over epochs: `split`, `epochs`, `names` and `values` (classes, epochs); None if unknown.

    Of validation images if there is such an epoch, otherwise of training crops.
    """
    for split in ("val", "train"):
        found = [row for row in rows if _has_values(row.get(f"{split}_iou"), len(names))]
        if found and names:
            kept = _thinned(found, _CLASS_EPOCHS, best)
            lists = [numbers(row[f"{split}_iou"]) for row in kept]
            return {
                "split": split,
                "epochs": [row["epoch"] for row in kept],
                "names": list(names),
                "values": [list(values) for values in zip(*lists, strict=True)],
            }
    return None


def _has_values(values: object, classes: int) -> bool:
    return isinstance(values, list) and len(values) == classes


def _thinned(rows: Sequence[Mapping[str, Any]], most: int, best: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Every n-th row, so that there are about `most`, and always the first, the best and the last one."""
    step = -(-len(rows) // most)
    last = len(rows) - 1
    return [row for place, row in enumerate(rows) if place % step == 0 or place == last or row is best]
