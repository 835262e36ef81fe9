"""The epochs of a run as tables and curves."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engine.files.atomic import replacing
from engine.tables import Table, percent_2
from engine.training.metrics import Metrics

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
"""One epoch: plain names and numbers; figures per class are lists."""


def columns(split: str, loss: float, metrics: Metrics) -> Row:
    """Loss and metrics of a split as columns `<split>_<figure>`.

    What has no value is None, because JSON has no NaN: the IoU of a class that does not occur, and the metrics where no
    class does.
    """
    figures = {"loss": loss, **metrics.summary()}
    row: Row = {f"{split}_{name}": _number(value) for name, value in figures.items()}
    return row | {f"{split}_iou": [_number(iou) for iou in metrics.iou]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def to_dataframe(rows: Sequence[Row], classes: Sequence[str]) -> "pd.DataFrame":
    """The history as a DataFrame: a row an epoch, and a column `<figure>_<class>` for each entry of a list.

    Scores are from 0 to 1; NaN is a figure without a value, for example of an epoch that was not validated.

    Args:
        rows: epochs; the columns are those of the first.
        classes: the names of the classes.
    """
    import pandas as pd

    lines = [dict(cells(row, classes)) for row in rows]
    return pd.DataFrame(lines, columns=list(lines[0]) if lines else None)


def has_figures_of(row: Row, classes: int) -> bool:
    """Whether an epoch has a figure for each class wherever it has one for any."""
    return all(len(value) == classes for value in row.values() if isinstance(value, list))


def cells(row: Row, classes: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The values of an epoch under the names of columns: one for each class where a figure is a list.

    Args:
        row: an epoch.
        classes: the names of the classes.
    """
    for name, value in row.items():
        if isinstance(value, list):
            yield from zip((f"{name}_{label.replace(' ', '_')}" for label in classes), value, strict=True)
        else:
            yield name, value


def line(row: Row, best: Row | None, epochs: int) -> str:
    """An epoch as a line for people.

    Args:
        row: the epoch.
        best: the best epoch so far, None where none was validated.
        epochs: how many there are to be.
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
    """The IoU of each class in an epoch, on validation images and on training crops, and last their means."""
    figures = {split: [*row[f"{split}_iou"], row[f"{split}_miou"]] for split in ("val", "train")}
    return Table({"IoU": [*classes, "mean"], **figures}, dict.fromkeys(figures, percent_2))


_PANELS = {
    "loss": "loss",
    "miou": "mIoU (%)",
    "mean_dice": "mean Dice (%)",
    "pixel_accuracy": "pixel accuracy (%)",
    "mean_pixel_accuracy": "mean pixel accuracy (%)",
    "learning_rate": "learning rate",
}
"""Figure -> the label of its curves, in two rows of three."""


def plot(history: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Draw loss, metrics and learning rate over epochs.

    Args:
        history: one row an epoch, with `epoch`, `learning_rate` and `{train,val}_<figure>`, which are None where
            nothing was measured.
        path: of the picture; its ending says whether it is a PNG, SVG or PDF.
        title: above it.
    """
    figure = Figure(figsize=(12, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, (name, label) in zip(figure.subplots(2, 3).flat, _PANELS.items(), strict=True):
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
