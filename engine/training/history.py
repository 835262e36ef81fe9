"""History of a run: its rows, as table, printed lines and curves."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.files.atomic import replacing
from engine.tables import Table, percent_2

if TYPE_CHECKING:
    import pandas as pd

    from engine.training.metrics import Metrics  # which imports torch

Row = dict[str, Any]
"""History row of one epoch: plain names and numbers; values per class are lists."""


def columns(split: str, loss: float, metrics: "Metrics") -> Row:
    """Loss and metrics of a split, as columns `<split>_<metric>`.

    Values that do not exist are None, because JSON has no NaN: the IoU of a class that does not occur, and all metrics
    if no class occurs.
    """
    values = {"loss": loss, **metrics.summary()}
    row: Row = {f"{split}_{name}": _number(value) for name, value in values.items()}
    return row | {f"{split}_iou": [_number(iou) for iou in metrics.iou]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def to_dataframe(rows: Sequence[Row], classes: Sequence[str]) -> "pd.DataFrame":
    """History as a DataFrame: one row per epoch, and a column `<metric>_<class>` for each value per class.

    Scores are from 0 to 1; NaN means no value, for example in an epoch that was not validated.

    Args:
        rows: rows of the epochs; the columns are those of the first.
        classes: names of the classes.
    """
    import pandas as pd

    lines = [dict(cells(row, classes)) for row in rows]
    return pd.DataFrame(lines, columns=list(lines[0]) if lines else None)


def has_values_of(row: Row, classes: int) -> bool:
    """Whether every list in a row has one value per class."""
    return all(len(value) == classes for value in row.values() if isinstance(value, list))


def cells(row: Row, classes: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield column name and value of each cell of a row; values per class get one column per class.

    Args:
        row: row of an epoch.
        classes: names of the classes.
    """
    for name, value in row.items():
        if isinstance(value, list):
            yield from zip((f"{name}_{label.replace(' ', '_')}" for label in classes), value, strict=True)
        else:
            yield name, value


def line(row: Row, best: Row | None, epochs: int) -> str:
    """Line that is printed after an epoch: scores, throughput and remaining time.

    Args:
        row: row of the epoch.
        best: row of the best epoch so far, None if no epoch was validated.
        epochs: number of epochs of the training.
    """
    minutes = (epochs - row["epoch"]) * row["seconds"] / 60
    validated = row["val_miou"] is not None and best is not None
    return (
        f"epoch {row['epoch']}/{epochs}  loss {row['train_loss']:.4f}  "
        f"train mIoU {'-' if row['train_miou'] is None else percent_2(row['train_miou'])}  "
        + (f"val mIoU {100 * row['val_miou']:.2f} (best {100 * best['val_miou']:.2f})  " if validated and best else "")
        + f"{row['images_per_second']:.2f} images/s  {minutes:.1f} min left"
    )


def by_class(row: Row, classes: Sequence[str]) -> Table:
    """Table of the IoU of each class in an epoch, on validation images and on training crops, with their means last."""
    figures = {split: [*row[f"{split}_iou"], row[f"{split}_miou"]] for split in ("val", "train")}
    return Table({"IoU": [*classes, "mean"], **figures}, dict.fromkeys(figures, percent_2))


PANELS = {
    "loss": "loss",
    "miou": "mIoU (%)",
    "mean_dice": "mean Dice (%)",
    "pixel_accuracy": "pixel accuracy (%)",
    "mean_pixel_accuracy": "mean pixel accuracy (%)",
    "learning_rate": "learning rate",
}
"""Axis labels of the plots by metric, in two rows of three plots."""


def plot(history: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Plot loss, metrics and learning rate over epochs.

    Args:
        history: one row per epoch, with `epoch`, `learning_rate` and `{train,val}_<metric>`; the latter are None if
            they were not measured.
        path: file of the plot; its suffix selects PNG, SVG or PDF.
        title: title of the plot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported late, because reading a history needs none
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, (name, label) in zip(figure.subplots(2, 3).flat, PANELS.items(), strict=True):
        series = [name] if name == "learning_rate" else [f"train_{name}", f"val_{name}"]
        for key in series:
            scale = 100 if "%" in label else 1
            measured = [(row["epoch"], scale * row[key]) for row in history if row.get(key) is not None]
            if measured:
                axes.plot(*zip(*measured, strict=True), label=key.partition("_")[0], marker=".")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        if len(series) > 1 and axes.lines:
            axes.legend()
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=110)
