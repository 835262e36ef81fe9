"""Charts of confusion matrices."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.groups import Entry, Group
from report.figures.names import file_names
from report.records import Confusion

_MOST_NUMBERS = 24
"""Largest number of columns of a confusion matrix whose cells have room for a number."""


def write(groups: Sequence[Group], folder: FigureFolder) -> None:
    """Write the confusion matrix of each scored result."""
    entries = [entry for group in groups for entry in group.entries]
    names = file_names(entry.result.key for entry in entries)
    for entry in entries:
        key = entry.result.key
        if entry.scores.confusion is not None and entry.scores.confusion.counts.any():
            about = f"Confusion matrix of {key}, each row as percent of a true class."
            folder.chart(f"confusion-{names[key]}", about, partial(of_confusion, entry, entry.scores.confusion))
        else:
            folder.leave_out(f"Confusion matrix of {key}", f"{entry.scores.path.name} has none")


def of_confusion(entry: Entry, confusion: Confusion) -> Figure:
    """Confusion matrix as percent of each row, from white to dark; numbers from 1 % on where they have room."""
    counts, names = confusion.counts, confusion.columns
    if len(names) > len(confusion.names) and not counts[:, -1].any():
        counts, names = counts[:, :-1], names[:-1]  # no pixel was predicted as no class
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(100 * counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    rows, columns = shares.shape
    figure = style.figure(style.PAGE, min(9.0, 1.9 + 5.1 * rows / max(columns, 1)))
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(columns), [style.label(name, 24) for name in names], rotation=45, ha="right")
    axes.set_yticks(range(rows), [style.label(name, 24) for name in confusion.names])
    axes.set(xlabel="predicted class", ylabel="true class", title=style.label(entry.name, 90))
    axes.grid(visible=False)
    if columns <= _MOST_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.5:
                color = "white" if share > 55 else "black"
                axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=color)
    bar = figure.colorbar(picture, ax=axes, format=PercentFormatter(decimals=0), shrink=0.6, aspect=30)
    bar.outline.set_linewidth(0.5)
    return figure
