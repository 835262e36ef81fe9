"""Parts of results and runs -> the records that a report shows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import printable
from report.records import NetworkProfile, Predictions, Result, Run
from report.sources import links, runs
from report.sources.faults import Faults, Names
from report.sources.plain import text
from report.sources.results import IMAGES, PREDICTIONS, ResultParts, newest

_BEST = "best"


def assemble(
    results_found: Sequence[ResultParts],
    folders: Sequence[Path],
    networks: Sequence[NetworkProfile],
    root: Path | None,
    names: Names,
) -> tuple[Run, ...]:
    """All runs with their results and profiles, newest first, then by name.

    Args:
        results_found: results.
        folders: run folders.
        networks: profiles of networks.
        root: folder of the data set, for results that do not record it.
        names: of the folders that the user gave.
    """
    linked = links.of_runs(results_found, folders)
    named = links.unique_names({**dict.fromkeys(folders), **dict.fromkeys(linked)})
    found = []
    for folder, name in named.items():
        own = linked.get(folder, [])
        run = runs.read(folder, name, Faults(names)) if folder in folders else _without_run(name)
        changed = max(newest(parts for parts, _ in own), runs.last_change(folder) if folder in folders else 0)
        found.append((changed, _complete(run, own, networks, root, names, changed)))
    return tuple(run for _, run in sorted(found, key=lambda item: (-item[0], item[1].name)))


def _without_run(name: str) -> Run:
    """A record for results whose run is unknown."""
    return Run(
        name=name,
        folder=None,
        status="results only",
        progress="results only",
        config={},
        history=(),
        environment={},
        modified="",
        classes=(),
        results=(),
        profiles=(),
        faults=(),
    )


def _complete(
    run: Run,
    linked: Sequence[tuple[ResultParts, str]],
    networks: Sequence[NetworkProfile],
    root: Path | None,
    names: Names,
    changed: float,
) -> Run:
    """A run with its results, profiles and their faults."""
    keys: set[str] = set()
    shown: set[Path] = set()
    results = []
    for parts, weights in sorted(linked, key=_order):
        result = _result(parts, weights, _key(run.name, parts, weights, keys), run)
        keys.add(result.key)
        if parts.folder not in shown and (predictions := _predictions(parts, result.benchmark, root, names)):
            shown.add(parts.folder)
            result = replace(result, predictions=predictions)
        results.append(result)
    benchmark = text(run.config.get("benchmark")) or next((of.benchmark for of in results if of.benchmark), "")
    classes = run.classes or runs.class_names(benchmark)
    network = (text(run.config.get("network")), len(classes))
    return replace(
        run,
        modified=runs.date(changed),
        classes=classes,
        results=tuple(results),
        profiles=tuple(of for of in networks if (of.network, of.content["classes"]) == network),
        faults=(*run.faults, *(fault for parts, _ in linked for fault in parts.faults)),
    )


def _order(linked: tuple[ResultParts, str]) -> tuple[Any, ...]:
    """Key that sorts results: of the best weights first, and of a folder before further files in it."""
    parts, weights = linked
    return weights != _BEST, weights, parts.folder, parts.file is not None, parts.file or parts.folder


def _key(run: str, parts: ResultParts, weights: str, others: Collection[str]) -> str:
    """A name of a result that no other has, for example `demo/val`, `demo-last/val` or `demo/val/instance`."""
    words = [run if weights in ("", _BEST) else f"{run}-{weights}", printable(parts.split)]
    if parts.file is not None and parts.file.stem != run:
        words.append(printable(parts.file.stem))
    first = "/".join(word for word in words if word)
    key, number = first, 1
    while key in others:
        number += 1
        key = f"{first} ({number})"
    return key


def _result(parts: ResultParts, weights: str, key: str, run: Run) -> Result:
    return Result(
        key=key,
        folder=parts.folder,
        weights=printable(weights),
        split=printable(parts.split),
        benchmark=parts.benchmark or text(run.config.get("benchmark")),
        origin=parts.origin,
        scores=parts.scores,
        profile=parts.profile,
        submission=parts.submission,
        modified=runs.date(parts.changed),
    )


def _predictions(parts: ResultParts, benchmark: str, root: Path | None, names: Names) -> Predictions | None:
    """The predictions next to a result, if they are masks or confidences; otherwise None."""
    folder = parts.folder / PREDICTIONS
    if not folder.is_dir() or not benchmark or (parts.scores and parts.scores.task not in ("pixel", "road")):
        return None
    shown = names.shown(str(folder))
    if parts.split == IMAGES or IMAGES in parts.source:
        return Predictions(folder, benchmark, None, None, _folder(parts.source, IMAGES), shown)
    return Predictions(folder, benchmark, _folder(parts.source, "root") or root, parts.split or None, shown=shown)


def _folder(source: Mapping[str, str], key: str) -> Path | None:
    """A recorded folder, if it still exists."""
    try:
        path = Path(source[key])
        return path if path.is_dir() else None
    except (KeyError, OSError, ValueError):  # not recorded, or not the name of a folder
        return None
