"""Groups of results that can be compared: of one benchmark, split and task."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from report.figures.names import file_names
from report.records import Published, Report, Result, ResultScores, Run
from report.sections.overview_cells import benchmark


class Entry(NamedTuple):
    """A scored result with its run."""

    run: Run
    result: Result
    scores: ResultScores
    name: str
    """Name of the run; the key of the result if a run has several in the group."""

    @property
    def average(self) -> float | None:
        """Main average from 0 to 1; None if no class occurs."""
        return next(iter(self.scores.averages.values()), None)


class Group(NamedTuple):
    """Results of one benchmark, split and task, the best first."""

    benchmark: str
    split: str
    task: str
    entries: tuple[Entry, ...]

    @property
    def title(self) -> str:
        """Title of the group, for example `cityscapes val` or `cityscapes val, instance`."""
        words = " ".join(word for word in (self.benchmark or "unknown benchmark", self.split) if word)
        return words if self.task == "pixel" else f"{words}, {self.task}"

    @property
    def figure(self) -> str:
        """Name of the main average, for example `IoU`."""
        return next((name for entry in self.entries for name in entry.scores.averages), "score")


def groups(report: Report) -> list[Group]:
    """The scored results of a report in groups, in the order in which they occur; the best result first."""
    found: dict[tuple[str, str, str], list[tuple[Run, Result, ResultScores]]] = {}
    for run in report.runs:
        for result in run.results:
            if result.scores is not None:
                key = (result.benchmark, result.split, result.scores.task)
                found.setdefault(key, []).append((run, result, result.scores))
    return [Group(*key, _entries(members)) for key, members in found.items()]


def published_of(group: Group, published: Sequence[Published]) -> list[Published]:
    """Published results that can be shown next to a group, the best first; none if it has no official images."""
    if group.task not in ("pixel", "road") or all(entry.scores.official is False for entry in group.entries):
        return []
    found = [one for one in published if (one.benchmark, one.split) == (group.benchmark, group.split)]
    return sorted(found, key=lambda one: one.score, reverse=True)


def by_benchmark(runs: Iterable[Run]) -> list[tuple[tuple[str, tuple[Run, ...]], str]]:
    """The runs of each benchmark with its name, and a part of a file name."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(benchmark(run) or "unknown benchmark", []).append(run)
    names = file_names(found)
    return [((name, tuple(members)), names[name]) for name, members in found.items()]


def _entries(members: list[tuple[Run, Result, ResultScores]]) -> tuple[Entry, ...]:
    names = [run.name for run, _, _ in members]
    if len(set(names)) < len(names):
        names = [result.key for _, result, _ in members]
    entries = [Entry(*member, name) for member, name in zip(members, names, strict=True)]
    return tuple(sorted(entries, key=lambda entry: -1.0 if entry.average is None else entry.average, reverse=True))
