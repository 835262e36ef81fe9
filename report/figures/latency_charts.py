"""Charts of accuracy against latency, from the points that the overview of the page shows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.names import file_names

_LOGARITHMIC = 10
"""Smallest ratio of the longest to the shortest latency for which the axis is logarithmic."""
_MOST_POINTS = 20
"""Largest number of points that the legend has room for, the most accurate first."""


class Point(NamedTuple):
    """Score of a run or of a published result, with a latency."""

    name: str
    conditions: str
    """Device, size of the images and precision."""
    latency: float
    """Median milliseconds of normalisation, network and argmax; published ones as their source defines them."""
    score: float
    """Score in percent."""
    is_published: bool


class Subject(NamedTuple):
    """Subject of a chart: results that have one chart together."""

    title: str
    score: str
    """Name of the score."""


def write(overview: Mapping[str, Any], folder: FigureFolder) -> None:
    """Write accuracy against latency of each benchmark, split and task.

    Args:
        overview: content of the section of this name.
        folder: for the charts.
    """
    charts = _points(overview)
    names = file_names(f"{subject.title} {subject.score}" for subject in charts)
    for subject, points in charts.items():
        stem = f"accuracy-latency-{names[f'{subject.title} {subject.score}']}"
        folder.chart(stem, _about(subject, points), of_latency(subject, points))
    if not charts:
        why = "no scored run has a latency; measure it by test_fcn.py --profile or profile_fcn.py --output"
        folder.leave_out("Accuracy against latency", why)


def of_latency(subject: Subject, points: Sequence[Point]) -> Figure:
    """Score against latency; published results are hollow, and the axis is logarithmic if the range asks for it."""
    shown = points[:_MOST_POINTS]
    figure = style.figure(style.PAGE, max(2.6, 0.7 + 0.17 * len(shown)))
    axes = figure.subplots()
    several = len({point.conditions for point in shown if not point.is_published}) > 1
    for number, point in enumerate(shown):
        chosen = style.series(number)
        axes.plot(
            point.latency,
            point.score,
            chosen.marker,
            color=chosen.color,
            markerfacecolor="white" if point.is_published else chosen.color,
            markersize=6,
            label=_name(point, several=several),
        )
    latencies = [point.latency for point in shown]
    if max(latencies) > _LOGARITHMIC * min(latencies):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(left=0, right=1.1 * max(latencies))
    axes.set(xlabel="latency of an image (ms)", ylabel=f"{subject.score} (%)", title=style.label(subject.title, 70))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure


def _points(overview: Mapping[str, Any]) -> dict[Subject, list[Point]]:
    """Points of each chart that has a run in it, the most accurate first."""
    charts: dict[Subject, list[Point]] = {}
    for point in overview["points"]:
        if point["latency"]:
            title = " ".join(part for part in (point["benchmark"] or "unknown benchmark", point["split"]) if part)
            title += "" if point["task"] == "pixel" else f", {point['task']}"
            conditions = ", ".join(part for part in (point["device"], point["size"], point["precision"]) if part)
            found = Point(point["run"], conditions, point["latency"], 100 * point["score"], is_published=False)
            charts.setdefault(Subject(title, point["average"]), []).append(found)
    for result in overview["published"]:
        for subject, points in charts.items():
            if result["latency"] and subject.title == f"{result['benchmark']} {result['split']}":
                score = 100 * result["score"]
                points.append(Point(result["name"], result["device"], result["latency"], score, is_published=True))
    return {subject: sorted(points, key=lambda point: -point.score) for subject, points in charts.items()}


def _name(point: Point, *, several: bool) -> str:
    """Name of a point in the legend, with its conditions if they differ between runs."""
    if point.is_published:
        return f"{style.label(point.name, 30)} (published)"
    return style.label(f"{point.name}, {point.conditions}" if several else point.name, 44)


def _about(subject: Subject, points: Sequence[Point]) -> str:
    conditions = "; ".join(dict.fromkeys(point.conditions for point in points if not point.is_published))
    number = min(len(points), _MOST_POINTS)
    part = "" if number == len(points) else f", the best {number} of {len(points)}"
    return f"{subject.score} against latency of {subject.title}{part}, on {conditions}."
