"""Data of the section `overview`: table of runs, published results, and accuracy against latency."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from report.pictures.collect import Pictures
from report.records import Published, Report, Run
from report.sections import overview_cells, overview_columns
from report.sections.measurements import measurements
from report.sections.overview_columns import Column


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """JSON content of the section.

    `columns` and `runs` are the table of runs, `published` the published results, `filters` the values to choose from,
    and `points` has one point for each score of a run with each of its measured latencies.
    """
    del pictures
    columns = overview_columns.columns(report.runs)
    groups = groupby(column.group for column in columns)
    runs: list[dict[str, Any]] = [
        {
            "name": run.name,
            "status": run.status,
            "scored": run.scored is not None,
            "benchmark": overview_cells.benchmark(run),
            "network": overview_cells.text(run.config.get("network")),
            "cells": [column.cell(run)._asdict() for column in columns],
        }
        for run in report.runs
    ]
    conditions = {found[:2] for run in report.runs for found in measurements(run)[:1]}
    return {
        "columns": _headings(columns),
        "groups": [{"name": name, "columns": len(list(of))} for name, of in groups],
        "runs": runs,
        "conditions": len(conditions),
        "published": _published(report),
        "filters": {
            "benchmark": _distinct([*(run["benchmark"] for run in runs), *(of.benchmark for of in report.published)]),
            "network": _distinct(run["network"] for run in runs),
            "status": _distinct(run["status"] for run in runs),
        },
        "points": [point for run in report.runs for point in _points(run)],
    }


def _distinct(names: Iterable[str]) -> list[str]:
    """The names without empty ones, each once and sorted."""
    return sorted(set(names) - {""})


def _headings(columns: list[Column]) -> list[dict[str, str]]:
    """The headings of the columns, with the classes of their cells: `first` starts a group."""
    before = ["", *(column.group for column in columns)]
    return [
        {
            "key": column.key,
            "heading": column.heading,
            "group": column.group,
            "kind": column.kind,
            "explanation": column.explanation,
            "class": " ".join(["number"] * (column.kind == "number") + ["first"] * (column.group != group)),
        }
        for column, group in zip(columns, before, strict=False)
    ]


def _published(report: Report) -> list[dict[str, Any]]:
    """Published results, those of the benchmarks of the runs first, and the highest score of a split first."""
    ours = {overview_cells.benchmark(run) for run in report.runs}

    def order(result: Published) -> tuple[bool, str, str, float]:
        return result.benchmark not in ours, result.benchmark, result.split, -result.score

    return [
        {
            "name": result.name,
            "benchmark": result.benchmark,
            "split": result.split,
            "score": result.score,
            "averages": dict(result.averages),
            "latency": result.latency_ms,
            "device": result.device,
            "protocol": result.protocol,
            "source": result.source,
            "url": result.url if urlsplit(result.url).scheme in {"http", "https"} else "",
        }
        for result in sorted(report.published, key=order)
    ]


def _points(run: Run) -> list[dict[str, Any]]:
    """Every score of a run with every latency; the latency is None if none was measured."""
    latencies = [found for found in measurements(run) if found.forward_ms]
    common = {"run": run.name, "network": overview_cells.text(run.config.get("network"))}
    measured = [
        {
            "latency": found.forward_ms,
            "total": found.total_ms,
            "device": found.device,
            "size": found.size,
            "precision": found.precision,
            "weights": found.weights,
        }
        for found in latencies
    ]
    return [common | accuracy | found for accuracy in _accuracies(run) for found in measured or [{"latency": None}]]


def _accuracies(run: Run) -> list[dict[str, Any]]:
    """The main average of each benchmark, split and task, of the best weights if they were scored."""
    found: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for result in sorted(run.results, key=lambda result: result.weights != "best"):
        scores = result.scores
        if scores is None or not scores.averages:
            continue
        average, score = next(iter(scores.averages.items()))
        if score is None:
            continue
        key = (result.benchmark, result.split, scores.task, average)
        found.setdefault(
            key,
            {
                **dict(zip(("benchmark", "split", "task", "average"), key, strict=True)),
                "score": score,
                "interval": list(scores.interval) if scores.interval else None,
                "weights_of": result.weights,
                "coverage": scores.coverage,
                "official": scores.official,
            },
        )
    return list(found.values())
