"""Charts of scores by class: of one result, and of the best results of a split next to each other."""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from matplotlib.figure import Figure

from engine.bootstrap import Interval
from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.groups import Group, published_of
from report.figures.names import file_names
from report.records import ClassScore, Published, Report

_MOST_FIGURES = 2
"""Number of figures of a class that are drawn, for example IoU and iIoU."""
_MOST_RESULTS = 3
"""Largest number of results whose bars are next to each other, the best first, without a published one."""
_FEW = 6
"""Largest number of classes that fit into one column of a paper."""


class Bars(NamedTuple):
    """Bars of one colour, one for each class."""

    name: str
    values: Sequence[float | None]
    """Scores from 0 to 1; None for a class without a score, which gets no bar."""
    intervals: Sequence[Interval | None]


def write(report: Report, groups: Sequence[Group], folder: FigureFolder) -> None:
    """Write the scores of each result by class, and of the best results of each group next to each other."""
    entries = [entry for group in groups for entry in group.entries]
    names = file_names(entry.result.key for entry in entries)
    for entry in entries:
        key = entry.result.key
        if shown := [found for found in entry.scores.classes if any(v is not None for v in found.figures.values())]:
            about = f"{' and '.join(_figures(shown))} of each class of {key}, with 95 % bootstrap intervals."
            bars, classes = _of_figures(shown), [found.name for found in shown]
            folder.chart(f"classes-{names[key]}", about, partial(of_bars, entry.name, classes, bars))
        else:
            folder.leave_out(f"Classes of {key}", "no class occurs in the scored images")
    of_group = file_names(group.title for group in groups)
    for group in groups:
        classes, bars = _of_group(group, published_of(group, report.published))
        if len(bars) > 1:
            about = f"{group.figure} of each class of {', '.join(one.name for one in bars)} on {group.title}."
            folder.chart(f"by-class-{of_group[group.title]}", about, partial(of_bars, group.title, classes, bars))
        else:
            folder.leave_out(f"Classes of all results of {group.title}", "nothing has the same classes as the best")


def of_bars(title: str, classes: Sequence[str], bars: Sequence[Bars]) -> Figure:
    """Bars of each class next to each other, with their intervals; those that a class has are centred together."""
    figure = style.figure(style.COLUMN if len(classes) <= _FEW else style.PAGE, 2.9)
    axes = figure.subplots()
    width = 0.8 / len(bars)
    for number, one in enumerate(bars):
        chosen = style.series(number)
        places = [_place(index, number, bars, width) for index in range(len(classes))]
        heights = [math.nan if value is None else 100 * value for value in one.values]
        name = style.label(one.name, 30)
        axes.bar(places, heights, width, label=name, color=chosen.fill, hatch=chosen.hatch, edgecolor="black")
        for place, interval in zip(places, one.intervals, strict=True):
            if interval is not None and not math.isnan(interval.low):
                low, high = (100 * bound for bound in interval)
                axes.errorbar(place, (low + high) / 2, (high - low) / 2, fmt="none", ecolor="black", capsize=1.5)
    axes.set_xticks(range(len(classes)), [style.label(name, 24) for name in classes], rotation=45, ha="right")
    axes.set(ylabel="score (%)", ylim=(0, 100), xlim=(-0.6, len(classes) - 0.4))
    axes.set_title(style.label(title, 70), loc="left")
    axes.grid(visible=False, axis="x")
    columns = len(bars) if len(bars) <= _MOST_FIGURES else 2
    figure.legend(*axes.get_legend_handles_labels(), ncols=columns, loc="outside upper right")
    return figure


def _place(index: int, number: int, bars: Sequence[Bars], width: float) -> float:
    """Centre of the bar with this number at a class."""
    present = [other for other, one in enumerate(bars) if other == number or one.values[index] is not None]
    return index + (present.index(number) - (len(present) - 1) / 2) * width


def _of_figures(classes: Sequence[ClassScore]) -> list[Bars]:
    """Bars of the first figures of a result, of which the first has intervals."""
    return [
        Bars(
            name,
            [found.figures.get(name) for found in classes],
            [found.interval if number == 0 else None for found in classes],
        )
        for number, name in enumerate(_figures(classes))
    ]


def _of_group(group: Group, published: Sequence[Published]) -> tuple[list[str], list[Bars]]:
    """Names of the classes, and bars of the best results that have the same ones, with the best published result."""
    names = [found.name for found in group.entries[0].scores.classes]
    alike = [entry for entry in group.entries if [found.name for found in entry.scores.classes] == names]
    bars = [
        Bars(
            entry.name,
            [next(iter(found.figures.values()), None) for found in entry.scores.classes],
            [found.interval for found in entry.scores.classes],
        )
        for entry in alike[:_MOST_RESULTS]
    ]
    known = [one for one in published if set(names) & set(one.classes)]
    bars += [
        Bars(f"{one.name} (published)", [one.classes.get(name) for name in names], [None] * len(names))
        for one in known[:1]
    ]
    return names, bars if names else []


def _figures(classes: Sequence[ClassScore]) -> list[str]:
    """Names of the figures that any class has a value of, at most two."""
    names = dict.fromkeys(name for found in classes for name, value in found.figures.items() if value is not None)
    return list(names)[:_MOST_FIGURES]
