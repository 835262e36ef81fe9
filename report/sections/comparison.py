"""Section with the comparison of two results, and the intervals of all results of a split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.bootstrap import LEVEL, RESAMPLES, Interval
from engine.errors import InputError
from engine.findings import counted
from engine.parallel import available_cpus, parallel_map
from report import intervals
from report.pictures.collect import Pictures
from report.records import Report, Result, ResultScores

_MOST = 40
"""Largest number of results of the same classes whose differences get an interval; the page grows with its square."""
_TASKS = {"pixel": "pixel task", "instance": "instance task", "panoptic": "panoptic task", "road": "road"}

_Kind = tuple[str, tuple[str, ...], str]
"""Task, names of the classes, and name of the main average: equal for results that can be compared."""


@dataclass
class _Kinds:
    """Kinds of results, each with the positions of its results."""

    members: dict[_Kind, list[int]] = field(default_factory=dict)

    def number(self, kind: _Kind, result: int) -> int:
        """Add a result to a kind, and return the number of the kind."""
        self.members.setdefault(kind, []).append(result)
        return list(self.members).index(kind)


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """The scores of all results, the intervals of the differences of all pairs, and the groups of comparable results.

    Scores are from 0 to 1, in the order of the classes of their kind. `pairs` has for the results at i and j (`i,j`,
    i < j) the interval of j minus i of the main average, then of each class; a pair of different images is left out.
    """
    scored = [
        (run.name, result, result.scores) for run in report.runs for result in run.results if result.scores is not None
    ]
    kinds = _Kinds()
    numbers = [kinds.number(_kind(scores), index) for index, (_, _, scores) in enumerate(scored)]
    pairs: dict[str, Any] = {}
    images: dict[int, tuple[str, ...]] = {}
    for members in kinds.members.values():
        _compare(members[:_MOST], [scored[index][2] for index in members[:_MOST]], pairs, images)
    sets = list(dict.fromkeys(images.values()))
    results = [
        _result(run, result, scores, kind) | {"images": sets.index(images[index]) if index in images else None}
        for index, ((run, result, scores), kind) in enumerate(zip(scored, numbers, strict=True))
    ]
    return {
        "level": LEVEL,
        "resamples": RESAMPLES,
        "most": _MOST,
        "kinds": [
            {"task": _TASKS[task], "classes": list(classes), "average": average}
            for task, classes, average in kinds.members
        ],
        "results": results,
        "sets": [len(stems) for stems in sets],
        "groups": _groups(results, pairs, [_TASKS[task] for task, _, _ in kinds.members]),
        "pairs": pairs,
    }


def _kind(scores: ResultScores) -> _Kind:
    return scores.task, tuple(of.name for of in scores.classes), next(iter(scores.averages), "")


def _compare(
    members: Sequence[int], scores: Sequence[ResultScores], pairs: dict[str, Any], images: dict[int, tuple[str, ...]]
) -> None:
    """Add the intervals of all pairs of results of a kind to `pairs`, and the names of their images to `images`."""
    workers = available_cpus() if scores[0].task == "instance" else 1  # a second each, others a tenth of it
    found = parallel_map(intervals.resample, scores, workers=workers, title="comparing results")
    resampled = [None if isinstance(of, InputError) else of for _, of in found]
    columns = 1 + len(scores[0].classes)
    kept = [of if of is not None and of.figures.shape[1] == columns else None for of in resampled]
    images.update({index: of.stems for index, of in zip(members, kept, strict=True) if of is not None})
    for (i, j), differences in intervals.of_pairs(kept).items():
        pairs[f"{members[i]},{members[j]}"] = [_short(interval) for interval in differences]


def _short(interval: Interval | None) -> list[float] | None:
    """An interval with eight digits, so that its signs stay; None without a score.

    Also None for a class that occurs in one image: all resamples with this image have the same difference, which says
    nothing about others.
    """
    if interval is None or any(value != value for value in interval):  # noqa: PLR0124  # NaN
        return None
    if interval[0] == interval[1] != 0:
        return None
    return [float(f"{value:.8g}") for value in interval]


def _result(run: str, result: Result, scores: ResultScores, kind: int) -> dict[str, Any]:
    figures = tuple(scores.classes[0].figures) if scores.classes else ()
    return {
        "key": result.key,
        "run": run,
        "benchmark": result.benchmark,
        "split": result.split,
        "kind": kind,
        "coverage": scores.coverage,
        "official": scores.official,
        "averages": {name: _rounded(value) for name, value in scores.averages.items()},
        "interval": _short(scores.interval),
        "scores": {figure: [_rounded(of.figures.get(figure)) for of in scores.classes] for figure in figures},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else round(value, 8)  # noqa: PLR0124  # NaN


def _groups(results: Sequence[dict[str, Any]], pairs: dict[str, Any], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Results of the same benchmark, split and kind, the best first, each with its difference from the best.

    Groups of equal names, which have other classes, are numbered.
    """
    found: dict[tuple[str, str, int], list[int]] = {}
    for index, result in enumerate(results):
        found.setdefault((result["benchmark"], result["split"], result["kind"]), []).append(index)
    groups: list[dict[str, Any]] = []
    for (benchmark, split, kind), members in found.items():
        ranked = sorted(members, key=lambda index: -(_main(results[index]) or 0))
        behind = [_behind(results, pairs, index, ranked[0]) for index in ranked]
        groups.append(
            {
                "name": f"{benchmark or 'unknown benchmark'} {split}".strip() + f", {tasks[kind]}",
                "kind": kind,
                "results": ranked,
                "behind": behind,
                "verdict": _verdict([results[index]["key"] for index in ranked], behind),
                "coverage": list(dict.fromkeys(filter(None, (results[index]["coverage"] for index in ranked)))),
            }
        )
    groups.sort(key=lambda group: -len(group["results"]))
    names = Counter[str]()
    for group in groups:
        names[group["name"]] += 1
        if (number := names[group["name"]]) > 1:
            group["name"] += f" ({number})"
    return groups


def _main(result: dict[str, Any]) -> float | None:
    """The main average of a result."""
    value: float | None = next(iter(result["averages"].values()), None)
    return value


def _behind(results: Sequence[dict[str, Any]], pairs: dict[str, Any], index: int, best: int) -> dict[str, Any] | None:
    """The difference of a result from the best, with its interval; None for the best, or without a score."""
    scores = _main(results[index]), _main(results[best])
    if index == best or scores[0] is None or scores[1] is None:
        return None
    interval = of_pair(pairs, best, index)
    return {"difference": scores[0] - scores[1], "interval": interval, "certain": is_certain(interval)}


def _verdict(keys: Sequence[str], behind: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Whether the best result differs from the others by more than chance: `certain` and `words`.

    Args:
        keys: names of the results, the best first.
        behind: difference of each from the best.
    """
    others = [(key, of) for key, of in zip(keys, behind, strict=True) if of is not None]
    if not others:
        return {"certain": None, "words": "The only result with a score."}
    key, second = others[0]
    equal = [name for name, of in others if of["certain"] is False]
    if equal:
        more = f" and {counted(len(equal) - 1, 'other result')}" if len(equal) > 1 else ""
        first = next(of for name, of in others if name == equal[0])
        verb = "are" if more else "is"
        words = f"{equal[0]}{more} {verb} so close that the difference may be chance ({_points(first)})."
        return {"certain": False, "words": words}
    ahead = f"{100 * -second['difference']:.2f} points ahead of {key}"
    if second["certain"] is None:
        reason = "their images differ, or counts of single images are unknown"
        return {"certain": None, "words": f"{ahead}. No interval: {reason}."}
    return {"certain": True, "words": f"{ahead} ({_points(second)})."}


def _points(behind: dict[str, Any]) -> str:
    """The interval of the lead of the best in points."""
    low, high = (-100 * end for end in reversed(behind["interval"]))
    return f"{low:.2f} to {high:.2f}".replace("-", "\u2212")


def of_pair(pairs: dict[str, Any], first: int, second: int) -> list[float] | None:
    """The interval of the difference of the main averages, second minus first; None if there is none."""
    if (found := pairs.get(f"{first},{second}")) is not None:
        interval: list[float] | None = found[0]
        return interval
    found = pairs.get(f"{second},{first}")
    return None if found is None or found[0] is None else [-found[0][1], -found[0][0]]


def is_certain(interval: Sequence[float] | None) -> bool | None:
    """Whether a difference is more than chance: its interval excludes 0; None without an interval."""
    return None if interval is None else interval[0] > 0 or interval[1] < 0
