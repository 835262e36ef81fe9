"""The confusion matrix as text table, CSV file and picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cityscapes.labels import BY_ID
from cityscapes.predictions import LABEL_IDS
from cityscapes.scoring.pixel.counts import SCORED
from engine.arrays import Float64Array, Int64Array
from engine.files.atomic import replacing
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_NAMES = tuple(BY_ID[label_id].name for label_id in range(LABEL_IDS))
_CLASSES = tuple(np.array(_NAMES)[SCORED].tolist())
_REST = "unscored"
_ROW = "true \\ predicted"


def shares(confusion: Int64Array) -> Float64Array:
    """(19, 20) percent of the pixels of each scored class (row) per predicted class; last column: unscored labels."""
    rows = confusion[SCORED]
    columns = np.column_stack([rows[:, SCORED], rows[:, ~SCORED].sum(1)])
    totals = rows.sum(1, keepdims=True)
    percent = np.full(columns.shape, np.nan)
    np.divide(100.0 * columns, totals, out=percent, where=totals > 0)
    return percent


def table(confusion: Int64Array) -> str:
    """The shares in whole percent as text; `.` for less than half a percent, `-` for a class that does not occur."""
    headings = [name.split()[-1][:5] for name in (*_CLASSES, _REST)]
    columns = dict(zip(headings, shares(confusion).T.tolist(), strict=True))
    return Table({_ROW: _CLASSES, **columns}, dict.fromkeys(headings, _whole)).render()


def _whole(share: float) -> str:
    return "." if share < 0.5 else f"{share:.0f}"


def to_dataframe(confusion: Int64Array) -> "pd.DataFrame":
    """Pixel counts of all 34 labels: one row per true label, named in the first column, one column per predicted label.

    Args:
        confusion: (34, 34) pixels by label id of the ground truth (row) and of the prediction (column).
    """
    return Table({_ROW: _NAMES, **dict(zip(_NAMES, confusion.T.tolist(), strict=True))}).to_dataframe()


def write_picture(path: Path, confusion: Int64Array) -> None:
    """Draw the shares as a PNG file."""
    from matplotlib.figure import Figure

    values = shares(confusion)
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(values, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(values.shape[1]), [*_CLASSES, _REST], rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(values.shape[0]), _CLASSES)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    axes.set_title("Predicted classes for the pixels of each class, in percent")
    for row, column in np.argwhere(values >= 0.5):
        share = values[row, column]
        colour = "white" if share > 55 else "black"
        axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(picture, ax=axes, shrink=0.7, label="% of the pixels of the class")
    with replacing(path) as file:
        figure.savefig(file, format="png")
