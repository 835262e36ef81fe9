"""The confusion matrix for people: as table, as CSV and as picture."""

import csv
import io
from pathlib import Path

import numpy as np

from cityscapes.labels import BY_ID
from cityscapes.predictions import LABEL_IDS
from cityscapes.scoring.counts import SCORED
from engine.arrays import Float64Array, Int64Array
from engine.files.atomic import replacing, write_text

_NAMES = tuple(BY_ID[label_id].name for label_id in range(LABEL_IDS))
_CLASSES = tuple(np.array(_NAMES)[SCORED].tolist())
_REST = "unscored"
_ROW = "true \\ predicted"


def shares(confusion: Int64Array) -> Float64Array:
    """(19, 20) what the pixels of each scored class are predicted as, in percent; the last column is all else."""
    rows = confusion[SCORED]
    columns = np.column_stack([rows[:, SCORED], rows[:, ~SCORED].sum(1)])
    totals = rows.sum(1, keepdims=True)
    percent = np.full(columns.shape, np.nan)
    np.divide(100.0 * columns, totals, out=percent, where=totals > 0)
    return percent


def table(confusion: Int64Array) -> str:
    """The shares as text, whole percent; `.` for less than a half, `-` for a class that does not occur."""
    rows = [f"{_ROW:<16}" + "".join(f"{name.split()[-1][:5]:>6}" for name in (*_CLASSES, _REST))]
    for name, row in zip(_CLASSES, shares(confusion), strict=True):
        cells = ["-" if np.isnan(share) else "." if share < 0.5 else f"{share:.0f}" for share in row]
        rows.append(f"{name:<16}" + "".join(f"{cell:>6}" for cell in cells))
    return "\n".join(rows)


def write_csv(path: Path, confusion: Int64Array) -> None:
    """Write the pixels of all 34 labels, true labels as rows."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_ROW, *_NAMES])
    writer.writerows([name, *row] for name, row in zip(_NAMES, confusion.tolist(), strict=True))
    write_text(path, file.getvalue())


def write_picture(path: Path, confusion: Int64Array) -> None:
    """Draw the shares as a PNG."""
    from matplotlib.figure import Figure

    values = shares(confusion)
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(values, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(values.shape[1]), [*_CLASSES, _REST], rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(values.shape[0]), _CLASSES)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    axes.set_title("What the pixels of each class are predicted as, in percent")
    for row, column in np.argwhere(values >= 0.5):
        share = values[row, column]
        colour = "white" if share > 55 else "black"
        axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(picture, ax=axes, shrink=0.7, label="% of the pixels of the class")
    with replacing(path) as file:
        figure.savefig(file, format="png")
