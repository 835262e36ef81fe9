"""The records below some folders."""

import filecmp
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.files.content import reading
from engine.files.documents import read_json
from report.records import Agreement, NetworkProfile, Report
from report.sources import agreement, discovery, profiles, published, results, scores
from report.sources.assembly import assemble
from report.sources.faults import Faults, Names
from report.sources.plain import MAX_JSON_BYTES
from report.sources.results import ResultParts

_SIGNS = re.compile(rb'"(classScores|averageScoreClasses|averages|All|per_class|sets|miou|latency_ms)"')
"""Keys that JSON files of scorers and profilers have near their beginning."""
_BEGINNING = 1 << 16


def collect(folders: Sequence[Path], root: Path | None) -> Report:
    """Find and read all runs, results, profiles, submissions and agreements below folders.

    Args:
        folders: to search at any depth.
        root: folder of the data set, for results that do not record it; None if not given.
    """
    names = Names(folders)
    faults = Faults(names)
    found = discovery.discover(folders, faults)
    results_found = [parts for folder in found.results for parts in results.read(folder, names)]
    networks: list[NetworkProfile] = []
    for path in found.documents:
        _read_document(path, results_found, networks, faults)
    runs = assemble(results_found, found.runs, networks, root, names)
    attached = {id(profile) for run in runs for profile in run.profiles}
    return Report(
        runs=runs,
        agreements=tuple(_agreements(found.agreements, faults)),
        published=published.read(),
        profiles=tuple(profile for profile in networks if id(profile) not in attached),
        faults=faults.found,
    )


def _read_document(
    path: Path, results_found: list[ResultParts], networks: list[NetworkProfile], faults: Faults
) -> None:
    """Add the result or the profiles in a JSON file; files of another kind are left out."""
    with faults.reading(path):
        with reading(path) as file:
            if not _SIGNS.search(file.read(_BEGINNING)):
                return
        if _is_copy(path, results_found):
            return
        content = read_json(path, MAX_JSON_BYTES)
        if profiles.is_networks(content):
            networks += profiles.read_networks(path, content)
        elif scores.kind_of(content) is not None and (parts := results.of_document(path, content, faults)):
            results_found.append(parts)


def _is_copy(path: Path, results_found: Sequence[ResultParts]) -> bool:
    """Whether a file has the bytes of a result that was read before, for example a link or a copy of it."""
    known = (parts.scores.path for parts in results_found if parts.scores is not None)
    size = path.stat().st_size
    return any(size == other.stat().st_size and filecmp.cmp(path, other, shallow=False) for other in known)


def _agreements(paths: Sequence[Path], faults: Faults) -> Iterator[Agreement]:
    for path in paths:
        with faults.reading(path):
            yield agreement.read(path)
