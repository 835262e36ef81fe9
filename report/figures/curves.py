"""Charts of trainings: loss, scores and learning rate over epochs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engine.training.history import PANELS
from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.groups import by_benchmark
from report.figures.names import file_names
from report.records import Report, Run
from report.sections.values import number

_SPLITS = {"val": "validation", "train": "training crops"}
_SPARSE = 25
"""Largest number of epochs that get a marker each."""


def write(report: Report, folder: FigureFolder) -> None:
    """Write the curves of each run, and of all runs of a benchmark together."""
    names = file_names(run.name for run in report.runs)
    for run in report.runs:
        if run.history:
            folder.chart(f"curves-{names[run.name]}", f"Curves of {run.name}, {run.progress}.", partial(of_run, run))
        elif run.folder is not None:
            folder.leave_out(f"Curves of {run.name}", "no epoch is recorded yet")
    for (name, runs), part in by_benchmark(run for run in report.runs if run.best):
        what = f"Loss and mIoU of all runs on {name}, on validation images"
        if len(runs) < 2:
            folder.leave_out(what, "fewer than two runs have a validated epoch")
            continue
        shown = sorted(runs, key=_best, reverse=True)[: style.MOST_SERIES]
        most = "" if len(shown) == len(runs) else f", the best {len(shown)} of {len(runs)}"
        folder.chart(f"all-curves-{part}", f"{what}{most}.", partial(of_all, shown))


def of_run(run: Run) -> Figure:
    """All metrics of a run on training and validation images."""
    figure = style.figure(style.PAGE, 3.9)
    figure.suptitle(style.label(run.name, 90))
    for axes, (metric, title) in zip(figure.subplots(2, 3).flat, PANELS.items(), strict=True):
        series = {"": metric} if metric == "learning_rate" else {_SPLITS[k]: f"{k}_{metric}" for k in _SPLITS}
        for position, (name, key) in enumerate(series.items()):
            _line(axes, run.history, key, title, style.series(position), name)
        _finish(axes, title)
        if metric == "loss" and len(axes.lines) > 1:
            axes.legend()
    return figure


def of_all(runs: Sequence[Run]) -> Figure:
    """Validation loss and mIoU of several runs, with one legend below."""
    rows = -(-len(runs) // 3)
    figure = style.figure(style.PAGE, 2.3 + 0.17 * rows)
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "miou"), strict=True):
        for position, run in enumerate(runs):
            name = style.label(run.name, 30)
            _line(axes, run.history, f"val_{metric}", PANELS[metric], style.series(position), name)
        _finish(axes, f"validation {PANELS[metric]}")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _best(run: Run) -> float:
    return float(run.best["val_miou"]) if run.best else 0.0


def _line(
    axes: Axes, history: Sequence[Mapping[str, Any]], key: str, title: str, chosen: style.Series, name: str
) -> None:
    """Draw the measured values of one column of a history; nothing if there is none."""
    scale = 100 if "%" in title else 1
    measured = [(row["epoch"], scale * value) for row in history if (value := number(row.get(key))) is not None]
    if not measured:
        return
    every = max(1, len(measured) // 8) if len(measured) > _SPARSE else 1
    epochs, values = zip(*measured, strict=True)
    axes.plot(
        epochs,
        values,
        color=chosen.color,
        linestyle=chosen.dashes,
        marker=chosen.marker,
        markevery=every,
        label=name,
    )


def _finish(axes: Axes, title: str) -> None:
    axes.set(xlabel="epoch", ylabel=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    if not axes.lines:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color="0.35")
        axes.set(xticks=[], yticks=[])
