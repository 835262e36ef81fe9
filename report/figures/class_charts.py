"""Charts of one result: scores by class, and the confusion matrix."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.groups import Entry, Group
from report.figures.names import file_names
from report.records import ClassScore, Confusion

_MOST_FIGURES = 2
"""Number of figures of a class that are drawn, for example IoU and iIoU."""
_FEW = 6
"""Largest number of classes that fit into one column of a paper."""
_MOST_NUMBERS = 24
"""Largest number of columns of a confusion matrix whose cells have room for a number."""


def write(groups: Sequence[Group], folder: FigureFolder) -> None:
    """Write the bars and the confusion matrix of each scored result."""
    entries = [entry for group in groups for entry in group.entries]
    tasks = {entry.result.key: entry.scores.task for entry in entries}
    names = file_names(tasks)
    for entry in entries:
        key = entry.result.key
        if shown := [found for found in entry.scores.classes if any(v is not None for v in found.figures.values())]:
            about = f"{_listed(shown)} of each class of {key}"
            folder.chart(f"classes-{names[key]}", f"{about}{_with_interval(shown)}.", partial(of_classes, entry, shown))
        else:
            folder.leave_out(f"Classes of {key}", "no class occurs in the scored images")
        if entry.scores.confusion is not None and entry.scores.confusion.counts.any():
            about = f"Confusion matrix of {key}, each row as percent of a true class."
            folder.chart(f"confusion-{names[key]}", about, partial(of_confusion, entry, entry.scores.confusion))
        else:
            folder.leave_out(f"Confusion matrix of {key}", f"{entry.scores.path.name} has none")


def of_classes(entry: Entry, classes: Sequence[ClassScore]) -> Figure:
    """Bars of each class, with the bootstrap interval of the first figure."""
    figures = _figures(classes)
    figure = style.figure(style.COLUMN if len(classes) <= _FEW else style.PAGE, 2.9)
    axes = figure.subplots()
    width = 0.8 / len(figures)
    for number, name in enumerate(figures):
        chosen = style.series(number)
        places = [_place(index, found, name, figures, width) for index, found in enumerate(classes)]
        heights = [_percent(found.figures.get(name)) for found in classes]
        axes.bar(places, heights, width, label=name, color=chosen.fill, hatch=chosen.hatch, edgecolor="black")
        if number == 0:
            for place, found in zip(places, classes, strict=True):
                if found.interval is not None and not np.isnan(found.interval.low):
                    low, high = (100 * bound for bound in found.interval)
                    axes.errorbar(place, (low + high) / 2, (high - low) / 2, fmt="none", ecolor="black", capsize=1.5)
    axes.set_xticks(range(len(classes)), [style.label(found.name, 24) for found in classes], rotation=45, ha="right")
    axes.set(ylabel="score (%)", ylim=(0, 100), xlim=(-0.6, len(classes) - 0.4))
    axes.set_title(style.label(entry.name, 70), loc="left")
    axes.grid(visible=False, axis="x")
    figure.legend(*axes.get_legend_handles_labels(), ncols=len(figures), loc="outside upper right")
    return figure


def _place(index: int, found: ClassScore, name: str, figures: Sequence[str], width: float) -> float:
    """Centre of the bar of a figure; the bars of the figures that a class has are centred together."""
    present = [other for other in figures if other == name or found.figures.get(other) is not None]
    return index + (present.index(name) - (len(present) - 1) / 2) * width


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


def _figures(classes: Sequence[ClassScore]) -> list[str]:
    """Names of the figures that any class has a value of, at most two."""
    names = dict.fromkeys(name for found in classes for name, value in found.figures.items() if value is not None)
    return list(names)[:_MOST_FIGURES]


def _listed(classes: Sequence[ClassScore]) -> str:
    return " and ".join(_figures(classes))


def _with_interval(classes: Sequence[ClassScore]) -> str:
    has_interval = any(found.interval is not None for found in classes)
    return f", with the 95 % bootstrap interval of {_figures(classes)[0]}" if has_interval else ""


def _percent(value: float | None) -> float:
    return float("nan") if value is None else 100 * value
