"""Scores of results, and published results to compare them with."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from report.records import ClassScore, Confusion, Published, Result, ResultScores
from report.sections.values import number, numbers

_UNITS = {"pixel": "pixels", "instance": "instances", "panoptic": "segments", "road": "pixels"}
"""Task -> the things that its confusion matrix counts."""


def content(scores: ResultScores) -> dict[str, Any]:
    """Scores of one set of predictions.

    Keys: `task`, `figures` (names of the scores of classes), `classes` (see `_classes`), `averages` (pairs of name and
    score), `interval` of the first average, `coverage`, `official`, `confusion`.
    """
    figures = list(dict.fromkeys(name for of in scores.classes for name in of.figures))
    return {
        "task": scores.task,
        "figures": figures,
        "classes": _classes(scores.classes, figures),
        "averages": [[name, number(value)] for name, value in scores.averages.items()],
        "interval": None if scores.interval is None else numbers(scores.interval),
        "coverage": scores.coverage,
        "official": scores.official,
        "confusion": None if scores.confusion is None else _confusion(scores.confusion, _UNITS[scores.task]),
    }


def titles(results: Sequence[Result]) -> list[str]:
    """Names of the results of a run, for example `val, best weights`; with their keys where several are the same."""
    names = [_title(result) for result in results]
    shared = {name for name, number in Counter(names).items() if number > 1}
    return [f"{name} ({result.key})" if name in shared else name for name, result in zip(names, results, strict=True)]


def _title(result: Result) -> str:
    weights = f", {result.weights} weights" if result.weights else ""
    task = "" if result.scores is None or result.scores.task == "pixel" else f", {result.scores.task} task"
    return f"{result.split or result.key}{task}{weights}"


def published(results: tuple[Published, ...]) -> list[dict[str, Any]]:
    """Published results, with their scores in the form of `content`."""
    return [
        {
            "name": result.name,
            "benchmark": result.benchmark,
            "split": result.split,
            "protocol": result.protocol,
            "source": result.source,
            "url": result.url if result.url.startswith(("https://", "http://")) else "",
            "score": number(result.score),
            "averages": [[name, number(value)] for name, value in result.averages.items()],
            "classes": [[name, number(value)] for name, value in result.classes.items()],
        }
        for result in results
    ]


def _classes(classes: tuple[ClassScore, ...], figures: list[str]) -> list[list[Any]]:
    """Name, scores in the order of `figures`, and interval of the first figure (or None) of each class."""
    return [
        [of.name, numbers(map(of.figures.get, figures)), None if of.interval is None else numbers(of.interval)]
        for of in classes
    ]


def _confusion(confusion: Confusion, unit: str) -> dict[str, Any] | None:
    """Confusion matrix of the classes that occur in either mask, with the `unit` that it counts; None if empty."""
    counts = confusion.counts
    occurring = {name for name, of in zip(confusion.names, counts.sum(1), strict=True) if of}
    occurring |= {name for name, of in zip(confusion.columns, counts.sum(0), strict=True) if of}
    rows = [place for place, name in enumerate(confusion.names) if name in occurring]
    columns = [place for place, name in enumerate(confusion.columns) if name in occurring]
    if not rows or not columns:
        return None
    return {
        "unit": unit,
        "names": [confusion.names[place] for place in rows],
        "columns": [confusion.columns[place] for place in columns],
        "counts": counts[np.ix_(rows, columns)].tolist(),
    }
