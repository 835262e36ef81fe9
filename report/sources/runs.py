"""Run folder -> the record of a training, without its results."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import catalogue
from engine.errors import InputError
from engine.files.documents import read_json, read_yaml
from engine.findings import counted
from report.records import Run
from report.sources import discovery, history
from report.sources.faults import Faults
from report.sources.history import History
from report.sources.plain import MAX_JSON_BYTES, kind_of, mapping, plain, text

_FILES = (discovery.CONFIG, discovery.HISTORY, discovery.ENVIRONMENT, discovery.STATE, "best.pth")


def read(folder: Path, name: str, faults: Faults) -> Run:
    """The run of a folder.

    Args:
        folder: run folder.
        name: unique name within the report.
        faults: receives damaged files.
    """
    config = _config(folder / discovery.CONFIG, faults)
    found = history.read(folder / discovery.HISTORY, faults)
    damaged = bool(faults.found)
    environment = _environment(folder / discovery.ENVIRONMENT, faults)
    status, progress = _status(config, found, damaged=damaged)
    return Run(
        name=name,
        folder=folder,
        status=status,
        progress=progress,
        config=mapping(plain(config)),
        history=found.rows,
        environment=environment,
        modified=date(last_change(folder)),
        classes=_classes(config, found.rows),
        results=(),
        profiles=(),
        faults=faults.found,
    )


def last_change(folder: Path) -> float:
    """Time of the last change of a run folder in seconds since 1970."""
    return modified(folder / file for file in _FILES)


def modified(paths: Iterable[Path]) -> float:
    """Time of the last change of the files that exist, in seconds since 1970; 0 if none does."""
    latest = 0.0
    for path in paths:
        with contextlib.suppress(OSError):
            latest = max(latest, path.stat().st_mtime)
    return latest


def date(seconds: float) -> str:
    """The date of a time in seconds since 1970, YYYY-MM-DD in UTC; empty if there is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d") if seconds > 0 else ""
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return ""


def class_names(benchmark: str) -> tuple[str, ...]:
    """The names of the classes of a benchmark of the catalogue; empty for any other, because no code is imported."""
    return catalogue.benchmark(benchmark).classes.names if benchmark in catalogue.BENCHMARKS else ()


def _config(path: Path, faults: Faults) -> dict[str, Any]:
    """The options of a run; empty if they are missing or damaged."""
    if not os.path.lexists(path):  # a training writes this file before any other
        faults.add(path, "no such file, expected the options of the training, for example its network; restore it")
        return {}
    with faults.reading(path):
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise InputError(f"{path}: got {kind_of(content)}, expected options; restore this file")
        return content
    return {}


def _environment(path: Path, faults: Faults) -> dict[str, Any]:
    """The environment of the last start; empty if it is missing or damaged."""
    if not os.path.lexists(path):
        return {}
    with faults.reading(path):
        starts = read_json(path, MAX_JSON_BYTES)
        if not isinstance(starts, list) or not all(isinstance(start, dict) for start in starts):
            raise InputError(f"{path}: expected a list of starts; the next start of this run writes a new file")
        return mapping(plain(starts[-1])) if starts else {}
    return {}


def _status(
    config: Mapping[str, Any], found: History, *, damaged: bool
) -> tuple[Literal["complete", "unfinished", "damaged"], str]:
    """Status of a run, and its progress in words."""
    done, epochs = found.rows[-1]["epoch"] if found.rows else 0, config.get("epochs")
    if type(epochs) is not int or epochs < 0:
        epochs = None
    progress = counted(done, "epoch") if epochs is None else f"{done} of {counted(epochs, 'epoch')}"
    if not found.is_whole:
        progress += ", of which some are shown"
    if damaged:
        return "damaged", f"{progress}; files are damaged"
    return ("complete" if epochs is not None and done >= epochs else "unfinished"), progress


def _classes(config: Mapping[str, Any], rows: Sequence[history.Row]) -> tuple[str, ...]:
    """Names of the classes of the values in rows: those of the benchmark if it has as many, otherwise numbers."""
    names = class_names(text(config.get("benchmark")))
    number = next((len(value) for row in rows for value in row.values() if isinstance(value, list)), len(names))
    return names if len(names) == number else tuple(map(str, range(number)))
