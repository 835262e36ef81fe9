"""Search for runs, results and other files below folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.inference.output import NOTE, RESULTS
from report.sources.faults import Faults

CONFIG, HISTORY, ENVIRONMENT, STATE = "config.yaml", "history.jsonl", "environment.json", "last.pth"
SCORES, PROFILE, AGREEMENT = "scores.json", "profile.json", "agreement.csv"
MANIFEST = ".manifest.json"
"""End of the name of a manifest, after the name of its archive."""
CHECK = ".check.json"
"""End of the name of the record of a check, after the name of its archive."""
_RUN = {CONFIG, HISTORY, ENVIRONMENT, STATE}
"""Files of which a run folder has at least one."""
_POLYGONS = "_polygons.json"
"""End of the names of annotations, which a data set has thousands of."""
_UNSEARCHED = {*RESULTS, "tensorboard"}
"""Folders of pictures and logs."""
_MAX_DEPTH = 20


@dataclass
class Found:
    """Folders and files that a report is made of, each list in the order of the search."""

    runs: list[Path] = field(default_factory=list)
    """Folders of trainings."""
    results: list[Path] = field(default_factory=list)
    """Folders with a result or predictions."""
    documents: list[Path] = field(default_factory=list)
    """Other JSON files: results of scorers, profiles of networks, or something else."""
    agreements: list[Path] = field(default_factory=list)
    """Tables of the agreement of masks."""


def discover(folders: Sequence[Path], faults: Faults) -> Found:
    """Search folders at any depth; each folder is visited once, also if links lead to it again.

    Args:
        folders: to search; a file stands for itself.
        faults: receives folders that cannot be listed.
    """
    found = Found()
    visited: set[tuple[int, int]] = set()
    for folder in folders:
        if folder.is_file():
            _sort(folder.parent, {folder.name}, found)
        for path, names in _walk(folder, visited, faults, 0):
            _sort(path, names, found)
    return found


def _walk(folder: Path, visited: set[tuple[int, int]], faults: Faults, depth: int) -> Iterator[tuple[Path, set[str]]]:
    """Folders with the names of their files, a folder before those in it."""
    try:
        state = folder.stat()
        if (state.st_dev, state.st_ino) in visited:
            return
        visited.add((state.st_dev, state.st_ino))
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if entry.name[0] != "."), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):  # for example removed meanwhile
        return
    except OSError as error:
        faults.add(folder, f"cannot list this folder ({error.strerror}); make it readable, or move it away")
        return
    deeper = []
    names = set()
    for entry in entries:
        try:
            if entry.is_dir():
                deeper.append(Path(entry.path))
            else:
                names.add(entry.name)
        except OSError:  # a link that leads to itself
            names.add(entry.name)
    yield folder, names
    if depth == _MAX_DEPTH and deeper:
        faults.add(folder, f"more than {_MAX_DEPTH} folders deep, which is not searched; give this folder itself")
        return
    for path in deeper:
        if path.name not in _UNSEARCHED:
            yield from _walk(path, visited, faults, depth + 1)


def _sort(folder: Path, names: set[str], found: Found) -> None:
    """Add a folder and its files to what was found."""
    if names & _RUN:
        found.runs.append(folder)
    if names & {SCORES, NOTE} or any(name.endswith((MANIFEST, CHECK)) for name in names):
        found.results.append(folder)
    if AGREEMENT in names:
        found.agreements.append(folder / AGREEMENT)
    of_folder = {ENVIRONMENT, SCORES, NOTE, "loggers.json"}
    found.documents += [
        folder / name
        for name in sorted(names - of_folder)
        if name.endswith(".json") and not name.endswith((MANIFEST, CHECK, _POLYGONS))
    ]
