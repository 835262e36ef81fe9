"""Tables of a report: runs, classes, comparison, published results and profiles."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.bootstrap import Interval
from engine.tables import Table, percent, points
from report.figures.folder import FigureFolder
from report.figures.groups import Entry, Group
from report.figures.names import file_names
from report.records import Report
from report.sections import overview_cells as cells
from report.sections.overview_columns import columns

_RECORD = {"name", "status", "benchmark", "best", "recipe", "device", "date", "commit"}
"""Keys of the columns of the table of trainings."""
_MOST_RESULTS = 6
"""Largest number of results next to each other in the table of classes, the best first."""
_VERDICTS = {True: "more than chance", False: "may be chance", None: "different images: no interval"}

Content = Mapping[str, Any]


def write(report: Report, contents: Content, groups: Sequence[Group], folder: FigureFolder) -> None:
    """Write all tables.

    Args:
        report: runs and results.
        contents: content of the sections of the page.
        groups: results that can be compared.
        folder: for the tables.
    """
    _write_runs(report, groups, folder)
    _write_classes(groups, folder)
    _write_comparison(contents["comparison"], folder)
    _write_published(contents["overview"].get("published", ()), folder)
    _write_profiles(contents["run"]["networks"], folder)


def _write_runs(report: Report, groups: Sequence[Group], folder: FigureFolder) -> None:
    """A table of the results of each benchmark, split and task as a paper has it, and one of all trainings."""
    if not report.runs:
        folder.leave_out("Tables of runs", "there is no run")
        return
    if not groups:
        folder.leave_out("Tables of results", "no result was scored")
    names = file_names(group.title for group in groups)
    for group in groups:
        table, right, conditions = _of_group(group)
        about = f"Results of {group.title} with their scores in percent and their cost, the best first.{conditions}"
        folder.table(f"overview-{names[group.title]}", about, table, right)
    shown = [column for column in columns(report.runs) if column.key in _RECORD]
    right = [column.heading for column in shown if column.kind == "number"]
    table = _filled({column.heading: [column.cell(run).text for run in report.runs] for column in shown})
    folder.table("trainings", "Trainings: status, recipe, date and commit of each run.", table, right)


def _of_group(group: Group) -> tuple[Table, list[str], str]:
    """Table of a group, the headings that are aligned right, and sentences on what the cost was measured."""
    entries = group.entries
    averages = dict.fromkeys(name for entry in entries for name in entry.scores.averages)
    measured = [", ".join(filter(None, (cells.device(of.run).text, cells.latency(of.run).note))) for of in entries]
    timed = {of for of, entry in zip(measured, entries, strict=True) if cells.latency(entry.run).value is not None}
    scores: dict[str, list[str]] = {}
    for number, name in enumerate(averages):
        scores[name] = [_percent(entry.scores.averages.get(name)) for entry in entries]
        if number == 0:
            scores["95 % interval"] = [_interval(entry.scores.interval) or "-" for entry in entries]
    cost = {
        "Parameters (M)": cells.parameters,
        "MACs (G)": cells.macs,
        "Latency (ms)": cells.latency,
        "Memory (MiB)": cells.memory,
    }
    found = {
        "Run": [entry.name for entry in entries],
        "Network": [cells.network(entry.run).text for entry in entries],
        "Backbone": [cells.backbone(entry.run).text for entry in entries],
        **scores,
        **{heading: [cell(entry.run).text for entry in entries] for heading, cell in cost.items()},
        "Measured on": measured if len(timed) > 1 else ["-"],
    }
    sizes = " or ".join(sorted({cells.macs(entry.run).note for entry in entries} - {""}))
    conditions = f" MACs: of an image of {sizes}." if sizes else ""
    conditions += f" Latency and memory: {timed.pop()}." if len(timed) == 1 else ""
    return _filled(found), [*scores, *cost], conditions


def _percent(score: float | None) -> str:
    return "-" if score is None else percent(score)


def _filled(of: Mapping[str, Sequence[str]]) -> Table:
    """Table of the columns that have any value."""
    return Table({heading: texts for heading, texts in of.items() if any(text != "-" for text in texts)})


def _write_classes(groups: Sequence[Group], folder: FigureFolder) -> None:
    """A table of each result, and one of each group with the best results next to each other."""
    names = file_names(entry.result.key for group in groups for entry in group.entries)
    for group in groups:
        for entry in group.entries:
            if entry.scores.classes:
                about = f"Scores of each class of {entry.result.key} in percent, with the 95 % bootstrap interval."
                folder.table(f"classes-{names[entry.result.key]}", about, of_classes(entry))
    of_group = file_names(group.title for group in groups)
    for group in groups:
        alike = [entry for entry in group.entries if _class_names(entry) == _class_names(group.entries[0])]
        if len(alike) < 2 or not _class_names(alike[0]):
            folder.leave_out(f"Table of classes of {group.title}", "fewer than two results have the same classes")
            continue
        shown = alike[:_MOST_RESULTS]
        part = f" of the best {len(shown)} of {len(alike)} results" if len(shown) < len(alike) else " of all results"
        about = f"{group.figure} of each class{part} of {group.title} in percent."
        folder.table(f"by-class-{of_group[group.title]}", about, of_group_classes(shown))


def _class_names(entry: Entry) -> list[str]:
    return [found.name for found in entry.scores.classes]


def of_classes(entry: Entry) -> Table:
    """Scores of each class of a result with the interval of the first, and below them the averages."""
    classes, averages = entry.scores.classes, entry.scores.averages
    figures = list(dict.fromkeys(name for found in classes for name in found.figures))
    columns: dict[str, Sequence[Any]] = {"class": [*(found.name for found in classes), "mean"]}
    for number, name in enumerate(figures):
        means = (averages[key] for key in (name, f"m{name}", f"mean {name}") if key in averages)
        columns[name] = [*(found.figures.get(name) for found in classes), next(means, None)]
        if number == 0:
            intervals = [*(found.interval for found in classes), entry.scores.interval]
            columns["95 % interval"] = [_interval(found) for found in intervals]
    return Table(columns, dict.fromkeys(figures, percent))


def of_group_classes(entries: Sequence[Entry]) -> Table:
    """The first figure of each class of several results, and below it the main average."""
    columns: dict[str, Sequence[Any]] = {"class": [*_class_names(entries[0]), "mean"]}
    for entry in entries:
        firsts = [next(iter(found.figures.values()), None) for found in entry.scores.classes]
        columns[entry.name] = [*firsts, entry.average]
    return Table(columns, dict.fromkeys(list(columns)[1:], percent))


def _write_comparison(comparison: Content, folder: FigureFolder) -> None:
    """A table of each group of results, with the difference of each result from the best."""
    groups = comparison.get("groups", ())
    titles = [group["name"] for group in groups]
    titles = [f"{title} {number}" if titles.count(title) > 1 else title for number, title in enumerate(titles, 1)]
    names = file_names(titles)
    for group, title in zip(groups, titles, strict=True):
        results = [comparison["results"][index] for index in group["results"]]
        average = comparison["kinds"][group["kind"]]["average"]
        what = f"Comparison of the results of {group['name']}"
        if len(results) < 2:
            folder.leave_out(what, "there is only one")
            continue
        about = f"{what}: {average} in percent, and the difference from the best with its 95 % bootstrap interval."
        folder.table(f"comparison-{names[title]}", about, _of_comparison(average, results, group["behind"]))
    if not groups:
        folder.leave_out("Comparison of results", "no result was scored")


def _of_comparison(average: str, results: Sequence[Content], behind: Sequence[Content | None]) -> Table:
    return Table(
        {
            "result": [result["key"] for result in results],
            average: [result["averages"].get(average) for result in results],
            "95 % interval": [_interval(result["interval"]) for result in results],
            "difference": [of["difference"] if of else None for of in behind],
            "95 % interval of it": [_interval(of["interval"], points) if of else None for of in behind],
            "verdict": [_VERDICTS[of["certain"]] if of else "best" for of in behind],
        },
        {average: percent, "difference": points},
    )


def _write_published(published: Sequence[Content], folder: FigureFolder) -> None:
    if not published:
        folder.leave_out("Table of published results", "there are none")
        return
    columns = {
        "network": "name",
        "benchmark": "benchmark",
        "split": "split",
        "score": "score",
        "latency (ms)": "latency",
        "protocol": "protocol",
        "source": "source",
        "address": "url",
    }
    table = Table(
        {heading: [result[key] for result in published] for heading, key in columns.items()},
        {"score": percent, "latency (ms)": "{:.1f}".format},
    )
    folder.table("published", "Published results in percent, each with its protocol and source.", table)


def _write_profiles(networks: Sequence[Content], folder: FigureFolder) -> None:
    """A row for each network that was profiled."""
    if not networks:
        folder.leave_out("Table of profiles", "no network was profiled; run profile_fcn.py --output FILE")
        return
    columns: dict[str, list[Any]] = {
        heading: [network[heading] for network in networks] for heading in ("network", "engine", "precision", "size")
    }
    columns |= {heading: [values.get(heading) for values in map(_figures, networks)] for heading in _headings(networks)}
    right = list(columns)[4:]
    folder.table("profiles", "Networks on random weights: size, latency, throughput and memory.", Table(columns), right)


def _headings(networks: Sequence[Content]) -> list[str]:
    return list(dict.fromkeys(heading for network in networks for heading in _figures(network)))


def _figures(network: Content) -> dict[str, str]:
    """Heading -> text of the figures of a network."""
    found = {label: _shown(value, digits) for label, value, digits in network["figures"]}
    memory = {f"{kind} memory (MiB)": f"{value:.0f}" for kind, value, _ in network["memory"] if value is not None}
    return found | memory


def _shown(value: Any, digits: int) -> str:
    values = value if isinstance(value, list) else [value]
    return " to ".join("-" if one is None else f"{one:.{digits}f}" for one in values)


def _interval(found: Interval | Sequence[float] | None, show: Any = percent) -> str | None:
    """The bounds of an interval; None if there is none."""
    if found is None or any(bound is None or bound != bound for bound in found):  # noqa: PLR0124  # NaN
        return None
    return " to ".join(map(show, found))
