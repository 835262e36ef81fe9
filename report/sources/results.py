"""Folder of results -> its scores, profile, submission and predictions, before the run that they belong to is known."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import catalogue
from engine.files.documents import read_json
from engine.inference.output import NOTE, RESULTS
from report.records import Fault, ResultScores, StageProfile, Submission
from report.sources import discovery, profiles, scores, submissions
from report.sources.faults import Faults, Names
from report.sources.plain import MAX_JSON_BYTES, mapping, plain, text
from report.sources.runs import modified
from report.sources.scores.figures import Reading

IMAGES = "images"
"""Name of the folder of results of images that belong to no split."""
PREDICTIONS = RESULTS[0]


@dataclass
class ResultParts:
    """Parts of a result as they are found; empty where nothing is known."""

    path: Path
    """Folder of the result, or a file of scores."""
    scores: ResultScores | None = None
    benchmark: str = ""
    split: str = ""
    origin: dict[str, Any] = field(default_factory=dict)
    """Weights and settings that the predictions were made with."""
    source: dict[str, str] = field(default_factory=dict)
    """Place of the images, see `engine.inference.output.Predictions`."""
    profile: StageProfile | None = None
    submission: Submission | None = None
    changed: float = 0
    """Time of the last change in seconds since 1970."""
    faults: tuple[Fault, ...] = ()

    @property
    def folder(self) -> Path:
        """Folder of the result."""
        return self.path.parent if self.path.suffix == ".json" else self.path

    @property
    def is_named_by_split(self) -> bool:
        """Whether the folder has the name of a split, so that the folder above it has that of the weights."""
        return self.folder.name in {IMAGES, self.split} or self.folder.name in _splits()


def _splits() -> set[str]:
    """Names of the splits of all benchmarks."""
    return {split for name in catalogue.BENCHMARKS for split in catalogue.benchmark(name).splits}


def read(folder: Path, names: Names) -> ResultParts:
    """The parts of a result folder, with the faults of its files."""
    faults, parts = Faults(names), ResultParts(folder)
    files = _files(folder)
    if NOTE in files:
        with faults.reading(folder / NOTE):
            record = mapping(read_json(folder / NOTE, MAX_JSON_BYTES))
            parts.origin = mapping(plain(mapping(record.get("origin", {}))))
            parts.source = {name: of for name, of in mapping(record.get("source", {})).items() if isinstance(of, str)}
    if discovery.SCORES in files:
        path = folder / discovery.SCORES
        with faults.reading(path):
            _take(parts, scores.read(path, read_json(path, MAX_JSON_BYTES)))
    if discovery.PROFILE in files:
        with faults.reading(folder / discovery.PROFILE):
            parts.profile = profiles.read_stages(folder / discovery.PROFILE)
    for name in submissions.archives(files)[:1]:
        with faults.reading(folder / name):
            parts.submission = submissions.read(folder / name)
    parts.benchmark = parts.benchmark or text(parts.origin.get("benchmark"))
    parts.split = parts.split or text(plain(parts.source.get("split", "")))
    if not parts.split and parts.is_named_by_split:
        parts.split = folder.name
    parts.changed = modified(folder / name for name in files if not name.startswith("."))
    parts.faults = faults.found
    return parts


def of_document(path: Path, content: Any, faults: Faults) -> ResultParts | None:
    """The result in a JSON file of a scorer; None if it is damaged."""
    parts = ResultParts(path, changed=modified([path]))
    with faults.reading(path):
        _take(parts, scores.read(path, content))
    if parts.scores is None:
        return None
    if not parts.split and parts.is_named_by_split:
        parts.split = path.parent.name
    return parts


def _take(parts: ResultParts, reading: Reading) -> None:
    parts.scores, parts.benchmark, parts.split = reading


def _files(folder: Path) -> set[str]:
    """Names of the files of a folder, which was listed before."""
    try:
        return {entry.name for entry in os.scandir(folder) if not entry.is_dir()}
    except OSError:
        return set()


def newest(results_found: Iterable[ResultParts]) -> float:
    """Time of the last change of any of these."""
    return max((parts.changed for parts in results_found), default=0)
