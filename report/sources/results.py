"""Folder of results -> its scores, profile, submission and predictions, before the run that they belong to is known."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
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

    folder: Path
    """Folder of the result."""
    file: Path | None = None
    """File of scores or archive that is a result of its own; None for what the folder has under the usual names."""
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
    def home(self) -> Path:
        """Folder, or file without suffix, whose name says which weights the result is of."""
        folder = self.folder.absolute()
        if folder.name in {IMAGES, self.split, *_splits()}:
            return folder.parent
        is_alone = self.file is not None and not any((folder / name).exists() for name in (discovery.SCORES, NOTE))
        return self.file.absolute().with_suffix("") if self.file is not None and is_alone else folder

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 of the weights; empty if it is not recorded."""
        made_with = self.submission.made_with if self.submission is not None else {}
        return text(self.origin.get("weights_sha256")) or text(made_with.get("weights_sha256"))


@cache
def _splits() -> frozenset[str]:
    """Names of the splits of all benchmarks."""
    return frozenset(split for name in catalogue.BENCHMARKS for split in catalogue.benchmark(name).splits)


def read(folder: Path, names: Names) -> list[ResultParts]:
    """The result of a folder, and one more for each further archive in it."""
    faults, parts = Faults(names), ResultParts(folder)
    files = _files(folder, faults)
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
    archives = submissions.archives(files)
    for name in archives[:1]:
        with faults.reading(folder / name):
            parts.submission = submissions.read(folder / name)
    parts.benchmark = parts.benchmark or text(parts.origin.get("benchmark"))
    parts.split = parts.split or text(plain(parts.source.get("split", ""))) or _split_of(folder)
    parts.changed = modified(folder / name for name in files if not name.startswith("."))
    more = []
    for name in archives[1:]:
        with faults.reading(folder / name):
            submission, changed = submissions.read(folder / name), modified([folder / name])
            more.append(ResultParts(folder, folder / name, split=parts.split, submission=submission, changed=changed))
    parts.faults = faults.found
    return [parts, *more]


def of_document(path: Path, content: Any, faults: Faults) -> ResultParts | None:
    """The result in a JSON file of a scorer; None if it is damaged."""
    parts = ResultParts(path.parent, path, changed=modified([path]))
    with faults.reading(path):
        _take(parts, scores.read(path, content))
    parts.split = parts.split or _split_of(path.parent)
    return None if parts.scores is None else parts


def _take(parts: ResultParts, reading: Reading) -> None:
    parts.scores, parts.benchmark, parts.split = reading


def _split_of(folder: Path) -> str:
    """The split that a folder is named after; empty if it is not named after one."""
    name = folder.absolute().name
    return name if name in {IMAGES, *_splits()} else ""


def _files(folder: Path, faults: Faults) -> set[str]:
    """Names of the files of a folder, which was listed before."""
    with faults.reading(folder):
        return {entry.name for entry in os.scandir(folder) if not entry.is_dir()}
    return set()


def newest(found: Iterable[ResultParts]) -> float:
    """Time of the last change of any of these."""
    return max((parts.changed for parts in found), default=0)
