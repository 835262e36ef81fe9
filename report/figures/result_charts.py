"""Charts that compare results, by their intervals, and masks with the official ones."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from report.figures import style
from report.figures.folder import FigureFolder
from report.figures.groups import Group, published_of
from report.figures.names import file_names
from report.records import AgreementRow, Published, Report

_MOST_LABELS = 40
"""Largest number of labels in the chart of the agreement, those that differ most."""


def write(report: Report, groups: Sequence[Group], folder: FigureFolder) -> None:
    """Write the intervals of each group of results, and each agreement of masks."""
    names = file_names(group.title for group in groups)
    for group in groups:
        published = published_of(group, report.published)
        scored = [entry for entry in group.entries if entry.average is not None]
        if scored or published:
            about = f"{group.figure} of all results of {group.title}, with 95 % bootstrap intervals."
            folder.chart(f"intervals-{names[group.title]}", about, partial(of_intervals, group, published))
    if not groups:
        folder.leave_out("Intervals of results", "no result was scored")
    folders = [agreement.path.parent for agreement in report.agreements]
    of_folder = file_names(map(str, folders)) if len({place.name for place in folders}) < len(folders) else {}
    for agreement, place in zip(report.agreements, folders, strict=True):
        name = of_folder.get(str(place)) or file_names([place.name])[place.name]
        what = f"Pixels of the masks in {place.name} that differ from the official ones, by label"
        if rows := [row for row in agreement.rows if row.kind == "label" and row.differing and row.pixels]:
            folder.chart(f"agreement-{name}", f"{what}.", partial(of_agreement, rows))
        else:
            folder.leave_out(what, "no pixel of any label differs")
    if not report.agreements:
        folder.leave_out("Agreement by label", "no agreement.csv was found; generate_gt.py writes it")


def of_intervals(group: Group, published: Sequence[Published]) -> Figure:
    """Averages of all results with their intervals, the best on top, and published results as hollow squares."""
    entries = [entry for entry in group.entries if entry.average is not None]
    figure = style.figure(style.PAGE, 0.9 + 0.21 * (len(entries) + len(published)))
    axes = figure.subplots()
    for place, entry in enumerate(entries):
        score = 100 * (entry.average or 0)
        interval = entry.scores.interval
        if interval is not None and interval.low == interval.low:  # not NaN
            low, high = 100 * interval.low, 100 * interval.high
            axes.plot([low, high], [place, place], color="black", linewidth=1, marker="|", markersize=5)
        axes.plot(score, place, "o", color="#0072B2", markersize=5)
    for place, one in enumerate(published, len(entries)):
        axes.plot(100 * one.score, place, "s", color="#D55E00", markerfacecolor="white", markersize=5)
    names = [style.label(entry.name, 56) for entry in entries]
    names += [f"{style.label(one.name, 44)} (published)" for one in published]
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=f"{group.figure} (%), with 95 % bootstrap intervals", title=style.label(group.title, 90))
    axes.set_ylim(len(names) - 0.4, -0.6)
    return figure


def of_agreement(rows: Sequence[AgreementRow]) -> Figure:
    """Pixels of each label that differ, at boundaries and elsewhere, in percent of its pixels."""
    shown = sorted(rows, key=lambda row: row.differing / row.pixels, reverse=True)[:_MOST_LABELS]
    figure = style.figure(style.COLUMN, 1.1 + 0.17 * len(shown))
    axes = figure.subplots()
    boundary = [100 * row.boundary_differing / row.pixels for row in shown]
    inside = [100 * (row.differing - row.boundary_differing) / row.pixels for row in shown]
    parts = {"at boundaries": (boundary, [0.0] * len(shown)), "elsewhere": (inside, boundary)}
    for number, (name, (widths, starts)) in enumerate(parts.items()):
        chosen = style.series(number)
        axes.barh(
            range(len(shown)),
            widths,
            0.7,
            left=starts,
            label=name,
            color=chosen.fill,
            hatch=chosen.hatch,
            edgecolor="black",
        )
    axes.set_yticks(range(len(shown)), [style.label(row.name, 24) for row in shown])
    axes.set(xlabel="differing pixels (%)", ylim=(len(shown) - 0.4, -0.6))
    axes.grid(visible=False, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
