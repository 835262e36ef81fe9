"""Charts of accuracy against latency, from the points that the overview of the page shows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.names import file_names

_LOGARITHMIC = 10
"""Smallest ratio of the longest to the shortest latency for which the axis is logarithmic."""
_MOST_POINTS = 24
"""Largest number of points that the legend has room for, the most accurate first."""


class Point(NamedTuple):
    """Score of a run or of a published result, with a latency."""

    name: str
    latency: float
    """Median milliseconds of normalisation, network and argmax; published ones as their source defines them."""
    score: float
    """Score in percent."""
    is_published: bool


class Subject(NamedTuple):
    """Subject of a chart: results of one split whose latencies were measured in the same way."""

    title: str
    score: str
    """Name of the score."""
    conditions: str
    """Device, size of the images and precision."""


def write(overview: Mapping[str, Any], folder: FigureFolder) -> None:
    """Write accuracy against latency of each benchmark, split and task on each device.

    Args:
        overview: content of the section of this name.
        folder: for the charts.
    """
    charts = _points(overview)
    names = file_names(map(" ".join, charts))
    for subject, points in charts.items():
        about = f"{subject.score} against latency of {subject.title} on {subject.conditions}{_part(points)}."
        about += _others(points)
        folder.chart(f"accuracy-latency-{names[' '.join(subject)]}", about, partial(of_latency, subject, points))
    if not charts:
        why = (
            "no scored run has a latency; measure it by test_fcn.py --profile_images 10 or profile_fcn.py --output FILE"
        )
        folder.leave_out("Accuracy against latency", why)


def of_latency(subject: Subject, points: Sequence[Point]) -> Figure:
    """Score against latency; published results are hollow, and the axis is logarithmic if the range asks for it."""
    shown = points[:_MOST_POINTS]
    figure = style.figure(style.PAGE, 2.9 + 0.17 * -(-len(shown) // 2))
    axes = figure.subplots()
    for number, point in enumerate(shown):
        chosen = style.series(number)
        axes.plot(
            point.latency,
            point.score,
            chosen.marker,
            color=chosen.color,
            markerfacecolor="white" if point.is_published else chosen.color,
            markersize=6,
            label=style.label(point.name, 34) + (" (published)" if point.is_published else ""),
        )
    latencies = [point.latency for point in shown]
    if max(latencies) > _LOGARITHMIC * min(latencies):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(left=0, right=1.1 * max(latencies))
    other = "; published: on the device and with the protocol of its source" if _others(shown) else ""
    axes.set(xlabel=f"latency of an image (ms){other}", ylabel=f"{subject.score} (%)")
    axes.set_title(style.label(f"{subject.title}; {subject.conditions}", 90))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=1.5)
    return figure


def _points(overview: Mapping[str, Any]) -> dict[Subject, list[Point]]:
    """Points of each chart that has a run in it, the most accurate first.

    Published results are left out of a chart without any score of the official images.
    """
    charts: dict[Subject, list[Point]] = {}
    official: set[Subject] = set()
    for point in overview["points"]:
        if point["latency"]:
            title = " ".join(part for part in (point["benchmark"] or "unknown benchmark", point["split"]) if part)
            title += "" if point["task"] == "pixel" else f", {point['task']}"
            conditions = ", ".join(part for part in (point["device"], point["size"], point["precision"]) if part)
            found = Point(point["run"], point["latency"], 100 * point["score"], is_published=False)
            subject = Subject(title, point["average"], conditions)
            charts.setdefault(subject, []).append(found)
            if point.get("official") is not False:
                official.add(subject)
    for result in overview["published"]:
        for subject, points in charts.items():
            same = subject in official and subject.title == f"{result['benchmark']} {result['split']}"
            if same and result["latency"]:
                name = f"{result['name']}, {result['device']}" if result["device"] else result["name"]
                points.append(Point(name, result["latency"], 100 * result["score"], is_published=True))
    return {subject: sorted(points, key=lambda point: -point.score) for subject, points in charts.items()}


def _part(points: Sequence[Point]) -> str:
    """The number of points that are shown, if it is not that of all."""
    return "" if len(points) <= _MOST_POINTS else f", the best {_MOST_POINTS} of {len(points)}"


def _others(points: Sequence[Point]) -> str:
    """A warning if latencies of other devices are among the points."""
    published = any(point.is_published for point in points)
    return " Published latencies are of other devices and protocols: do not compare them." if published else ""
