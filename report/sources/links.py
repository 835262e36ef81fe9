"""Results and the runs that they are of, linked by the names that `engine.checkpoints.results_name` gives."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError, printable
from engine.files.atomic import sha256
from report.sources.results import ResultParts

_SUFFIXES = (".pth", ".safetensors")
_BEST = "best"
_USUAL = re.compile(r"last|best|epoch_\d+")
"""Names of weights that a training writes, which may have been deleted since."""


class Link(NamedTuple):
    """Run and weights of a result."""

    run: Path
    """Folder of the run."""
    weights: str
    """File of the weights without suffix; empty if it is unknown."""


def of_runs(found: Sequence[ResultParts], runs: Sequence[Path]) -> Mapping[Path, list[tuple[ResultParts, str]]]:
    """Run folder, or the `home` of results without a run -> its results with their weights.

    A result whose name belongs to no run is of the run that has other results of the same weights.
    """
    links = [find_run(parts, runs) for parts in found]
    of_weights = {
        parts.weights_sha256: link for parts, link in zip(found, links, strict=True) if link and parts.weights_sha256
    }
    linked: dict[Path, list[tuple[ResultParts, str]]] = {}
    for parts, by_name in zip(found, links, strict=True):
        link = by_name or of_weights.get(parts.weights_sha256) or Link(parts.home, "")
        linked.setdefault(link.run, []).append((parts, link.weights))
    return linked


def find_run(parts: ResultParts, runs: Sequence[Path]) -> Link | None:
    """The run of a result; None if there is none, or if several match.

    Results are named after a run for its best weights, and `<run>-<weights>` for others. If several runs match, those
    with such a file of weights come first, then those with the longest name, then the nearest ones, then those whose
    file has the recorded hash.
    """
    if parts.folder in runs:
        return Link(parts.folder, "")
    name = parts.home.name
    links = [Link(run, _BEST) for run in runs if run.name == name]
    prefixed = [Link(run, name.removeprefix(f"{run.name}-")) for run in runs if name.startswith(f"{run.name}-")]
    links += [link for link in prefixed if _USUAL.fullmatch(link.weights) or _file(link) is not None]
    for rank in (
        lambda link: _file(link) is not None,
        lambda link: len(link.run.name),
        lambda link: _shared(link.run, parts.folder),
    ):
        links = _best(links, rank)
    if len(links) > 1 and parts.weights_sha256:
        links = _best(links, lambda link: _hash(link) == parts.weights_sha256)
    return links[0] if len(links) == 1 else None


def _best(links: Sequence[Link], rank: Callable[[Link], int]) -> list[Link]:
    """The links of the highest rank."""
    ranks = [rank(link) for link in links]
    return [link for link, of in zip(links, ranks, strict=True) if of == max(ranks)]


def _file(link: Link) -> Path | None:
    """File of the weights; None if it does not exist."""
    files = (link.run / f"{link.weights}{suffix}" for suffix in _SUFFIXES)
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
    lengths = dict.fromkeys(paths, 1)
    while True:
        names = {path: printable("/".join(path.absolute().parts[-length:])) for path, length in lengths.items()}
        listed = list(names.values())
        again = [path for path, name in names.items() if listed.count(name) > 1]
        if not again or all(lengths[path] >= len(path.absolute().parts) for path in again):
            return names
        for path in again:
            lengths[path] += 1
