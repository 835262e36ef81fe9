"""Charts of speed: stages of a prediction, and networks in the roofline model."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.names import file_names
from report.records import Report
from report.sections.run import profiles


class Bar(NamedTuple):
    """Stages of one prediction."""

    name: str
    stages: dict[str, float]
    """Stage -> median in milliseconds, without the total."""


class Point(NamedTuple):
    """Network in the roofline model."""

    name: str
    precision: str
    intensity: float
    """FLOP of the network for each byte that it must move at least."""
    achieved: float
    """FLOP per second."""
    flops: float
    """Peak FLOP per second of the device."""
    bandwidth: float
    """Peak bytes per second of the device."""


def write(report: Report, networks: Sequence[Mapping[str, Any]], folder: FigureFolder) -> None:
    """Write stacked stages and a roofline plot for each device that was measured.

    Args:
        report: with the profiles of predictions.
        networks: content of the profiles of networks, see `report.sections.run.profiles.network`.
        folder: for the charts.
    """
    bars = _bars(report, networks)
    names = file_names(bars)
    for conditions, found in bars.items():
        about = f"Median duration of the stages of a prediction on {conditions}."
        folder.chart(f"stages-{names[conditions]}", about, partial(of_stages, conditions, found))
    if not bars:
        folder.leave_out("Stages of predictions", "no profile was found; make one by test_fcn.py --profile_images 10")
    points = _points(networks)
    names = file_names(points)
    for device, placed in points.items():
        about = f"Roofline plot: FLOP/s of networks on {device}, below the ceilings of memory and arithmetic."
        folder.chart(f"roofline-{names[device]}", about, partial(of_roofline, device, placed))
    if not points:
        folder.leave_out("Roofline plot", "no network was profiled; run profile_fcn.py --output FILE")


def of_stages(device: str, bars: Sequence[Bar]) -> Figure:
    """Horizontal bars of the stages, one bar for each prediction that was profiled."""
    figure = style.figure(style.PAGE, 1.1 + 0.26 * len(bars))
    axes = figure.subplots()
    stages = list(dict.fromkeys(stage for bar in bars for stage in bar.stages))
    starts = np.zeros(len(bars))
    for number, stage in enumerate(stages):
        widths = np.array([bar.stages.get(stage, 0.0) for bar in bars])
        chosen = style.series(number)
        axes.barh(
            range(len(bars)),
            widths,
            0.7,
            left=starts,
            label=style.label(stage, 24),
            color=chosen.fill,
            hatch=chosen.hatch,
            edgecolor="black",
        )
        starts += widths
    for place, total in enumerate(starts):
        axes.annotate(f"{total:.1f}", (total, place), (3, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), [style.label(bar.name, 40) for bar in bars])
    axes.set(xlabel="median duration (ms)", xlim=(0, 1.08 * max(*starts, 1e-9)), title=style.label(device, 90))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def of_roofline(device: str, points: Sequence[Point]) -> Figure:
    """Log-log plot of the networks below the ceilings of the device (Williams, Waterman and Patterson, 2009)."""
    shown = points[: style.MOST_SERIES]
    roofs = _roofs(points)
    figure = style.figure(style.PAGE, 2.9 + 0.17 * -(-(len(shown) + len(roofs)) // 2))
    axes = figure.subplots()
    ridges = [flops / bandwidth for flops, bandwidth in roofs.values()]
    low = 0.4 * min([point.intensity for point in points] + ridges)
    high = 2.5 * max([point.intensity for point in points] + ridges)
    for number, (precision, (flops, bandwidth)) in enumerate(roofs.items()):
        name = f"{precision}: {_si(flops)}FLOP/s, {_si(bandwidth)}B/s"
        ceiling = [low * bandwidth, flops, flops]
        dashes = style.series(number).dashes
        axes.plot([low, flops / bandwidth, high], ceiling, color="0.3", linestyle=dashes, label=name)
    for number, point in enumerate(shown):
        chosen = style.series(number)
        name = style.label(point.name, 42)
        axes.plot(point.intensity, point.achieved, chosen.marker, color=chosen.color, markersize=6, label=name)
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity (FLOP/byte)", ylabel="FLOP/s")
    axes.set(title=style.label(device, 90), xlim=(low, high))
    axes.set_ylim(0.3 * min(point.achieved for point in points), 2 * max(flops for flops, _ in roofs.values()))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _si(value).strip()))
        axis.set_minor_locator(NullLocator())
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=2.5)
    return figure


def _roofs(points: Sequence[Point]) -> dict[str, tuple[float, float]]:
    """Precision -> the highest FLOP/s and bytes/s that were measured; a device is measured for each network again."""
    return {
        precision: (
            max(point.flops for point in points if point.precision == precision),
            max(point.bandwidth for point in points if point.precision == precision),
        )
        for precision in dict.fromkeys(point.precision for point in points)
    }


def _bars(report: Report, networks: Sequence[Mapping[str, Any]]) -> dict[str, list[Bar]]:
    """Device, precision and size of the images -> stages of predictions, and of networks on random weights."""
    found: dict[str, list[Bar]] = {}
    for name, conditions, measured in [*_of_results(report), *_of_networks(networks)]:
        if stages := {stage: median for stage, median, _ in measured["stages"]}:
            found.setdefault(", ".join(part for part in conditions if part), []).append(Bar(name, stages))
    return found


def _of_results(report: Report) -> Iterator[tuple[str, Sequence[str], Mapping[str, Any]]]:
    """Name, conditions and content of the profile of each result."""
    for result in report.results:
        if (profile := result.profile) is not None:
            yield result.key, (profile.device, profile.precision, profile.size), profiles.stages(profile)


def _of_networks(networks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Sequence[str], Mapping[str, Any]]]:
    """Name, conditions and content of the profile of each network."""
    for one in networks:
        name = f"{one['network']}, {one['engine']}, random weights"
        yield name, (one["device"], one["precision"], one["size"]), one


def _points(networks: Sequence[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """Device -> networks in its roofline model."""
    found: dict[str, list[Point]] = {}
    for one in networks:
        if (roofline := one["roofline"]) is not None:
            compiled = "compiled" if one["compiled"] else ""
            parts = (one["network"], one["engine"], one["precision"], one["size"], compiled)
            name = ", ".join(part for part in parts if part)
            point = Point(
                name, one["precision"], *(roofline[key] for key in ("intensity", "achieved", "flops", "bytes"))
            )
            found.setdefault(one["device"], []).append(point)
    return found


def _si(value: float) -> str:
    """A number with a prefix of the SI, for example `1.5 T`."""
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "
