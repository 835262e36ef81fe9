"""A confusion matrix as text table and picture, for all tasks; rows are true classes, columns predicted ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.arrays import Float64Array, Int64Array
from engine.files.atomic import replacing
from engine.tables import Table

HEADING = "true \\ predicted"
"""Heading of the column that names the rows."""


def shares(counts: Int64Array) -> Float64Array:
    """The (rows, columns) counts in percent of their row; NaN for a row without any."""
    totals = counts.sum(1, keepdims=True)
    percent = np.full(counts.shape, np.nan)
    np.divide(100.0 * counts, totals, out=percent, where=totals > 0)
    return percent


def text(
    percent: Float64Array, rows: Sequence[str], columns: Sequence[str], more: Mapping[str, Sequence[int]] | None = None
) -> str:
    """The shares in whole percent as text; `.` for less than half a percent, `-` for a class that does not occur.

    Args:
        percent: (rows, columns) shares in percent, see `shares`.
        rows: names of the rows.
        columns: unique headings of the columns.
        more: heading -> whole numbers of further columns.
    """
    shown = dict(zip(columns, percent.T.tolist(), strict=True))
    return Table({HEADING: rows, **shown, **(more or {})}, dict.fromkeys(columns, _whole)).render()


def _whole(share: float) -> str:
    return "." if share < 0.5 else f"{share:.0f}"


def write_picture(
    path: Path,
    percent: Float64Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    unit: str,
    classes: int | None = None,
) -> None:
    """Draw the shares as a PNG file.

    Args:
        path: of the file.
        percent: (rows, columns) shares in percent, see `shares`.
        rows: names of the rows.
        columns: names of the columns.
        title: heading of the picture.
        unit: name of the things that are shared, for example `pixels`.
        classes: number of the first rows and columns that are classes; a line separates the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    axes.set_title(title)
    for row, column in np.argwhere(percent >= 0.5):
        share = percent[row, column]
        colour = "white" if share > 55 else "black"
        axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    if classes is not None:
        axes.axhline(classes - 0.5, color="black", linewidth=1)
        axes.axvline(classes - 0.5, color="black", linewidth=1)
    figure.colorbar(picture, ax=axes, shrink=0.7, label=f"% of the {unit} of the row")
    with replacing(path) as file:
        figure.savefig(file, format="png")
