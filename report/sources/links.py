"""Results and the runs that they are of, linked by the names that `engine.checkpoints.results_name` gives."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError
from engine.files.atomic import sha256
from report.sources.plain import text
from report.sources.results import ResultParts

_SUFFIXES = (".pth", ".safetensors")
_BEST = "best"


class Link(NamedTuple):
    """Run and weights of a result."""

    run: Path | None
    """Run folder; None if there is none, or if several match."""
    weights: str
    """File of the weights without suffix; empty if the run is unknown."""


def home(parts: ResultParts) -> Path:
    """Folder or file whose name says which weights a result is of."""
    if parts.is_named_by_split:
        return parts.folder.absolute().parent
    return parts.path if parts.path == parts.folder else parts.path.with_suffix("")


def find_run(parts: ResultParts, runs: Sequence[Path]) -> Link:
    """The run of a result.

    Its results are named after a run for the best weights, and `<run>-<weights>` for others. If several runs match,
    those with such a file of weights come first, then those with the longest name, then the nearest ones, then those
    whose file has the recorded hash.
    """
    if parts.folder in runs:
        return Link(parts.folder, "")
    name = home(parts).name
    links = [Link(run, _BEST) for run in runs if run.name == name]
    links += [Link(run, name.removeprefix(f"{run.name}-")) for run in runs if name.startswith(f"{run.name}-")]
    for rank in (
        lambda link: _file(link) is not None,
        lambda link: len(link.run.name),
        lambda link: _shared(link.run, parts.folder),
    ):
        links = _best(links, rank)
    if len(links) > 1:
        links = _best(links, lambda link: _hash(link) == text(parts.origin.get("weights_sha256")))
    return links[0] if len(links) == 1 else Link(None, "")


def _best(links: Sequence[Link], rank: Callable[[Link], int]) -> list[Link]:
    """The links of the highest rank."""
    ranks = [rank(link) for link in links]
    return [link for link, of in zip(links, ranks, strict=True) if of == max(ranks)]


def _file(link: Link) -> Path | None:
    """File of the weights; None if it does not exist."""
    files = [link.run / f"{link.weights}{suffix}" for suffix in _SUFFIXES] if link.run else []
    return next((path for path in files if path.is_file()), None)


def _shared(run: Path, folder: Path) -> int:
    """Number of folders that the paths of two folders begin with together."""
    return len(Path(os.path.commonpath([run.absolute(), folder.absolute()])).parts)


def _hash(link: Link) -> str | None:
    path = _file(link)
    try:
        return None if path is None else sha256(path)
    except InputError:
        return None


def unique_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each path that no other has: its last part, or as many parts as are needed."""
    names = dict.fromkeys(paths, 1)
    while True:
        named = {path: "/".join(path.absolute().parts[-parts:]) for path, parts in names.items()}
        again = [path for path in named if list(named.values()).count(named[path]) > 1]
        if not again or all(names[path] >= len(path.absolute().parts) for path in again):
            return named
        for path in again:
            names[path] += 1


def of_runs(results_found: Iterable[ResultParts], runs: Sequence[Path]) -> Mapping[Path, list[tuple[ResultParts, str]]]:
    """Run folder, or folder of results without a run -> its results with their weights."""
    found: dict[Path, list[tuple[ResultParts, str]]] = {}
    for parts in results_found:
        link = find_run(parts, runs)
        found.setdefault(link.run or home(parts), []).append((parts, link.weights))
    return found
