"""Pictures of the scenes that results have predictions of."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engine.errors import InputError
from engine.image_counts import ImageCounts, mean_score
from engine.parallel import parallel_map
from report.pictures.encode import CONFIDENCE_BITS, Encoded, Scene, encode, trial
from report.pictures.groups import IMAGES, Group, brief, groups
from report.records import Fault, Report

SIDES = (1024, 896, 768, 640, 512, 448, 384, 320, 256, 192, 128)
"""Longest sides of pictures in pixels, from which the largest that fits is chosen."""
_TRIALS = 8
"""Number of scenes of a group that are encoded to choose the side."""
_RESERVE = 1.06
"""Factor for the scenes that are larger than those of the trial."""
_VOID = (224, 224, 192)
"""Colour of pixels of no class, for benchmarks in which black is the colour of a class."""


@dataclass(frozen=True)
class Pictures:
    """Encoded pictures, and what the page shows with them."""

    content: Mapping[str, Any] = field(default_factory=lambda: {"sets": []})
    """JSON content of the section, without the files."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Id of each picture -> its data as base64, for a `<script type="text/plain">` of that id."""
    faults: tuple[Fault, ...] = ()


def collect(report: Report, *, most: int, max_bytes: int, workers: int) -> Pictures:
    """Read, reduce and encode the pictures of a report.

    Args:
        report: with the results to show.
        most: largest number of scenes of a split; 0 for none.
        max_bytes: largest size of all pictures, as base64; the width of the pictures follows from it.
        workers: number of processes.
    """
    if most == 0:
        return Pictures({"sets": [], "off": True})
    found, faults = groups(report, most, workers)
    if not found:
        return Pictures({"sets": []}, faults=tuple(faults))
    side = _side(found, max_bytes, workers)
    encoded, total = _encode(found, side, workers)
    while total > max_bytes and side > SIDES[-1]:
        side = next(smaller for smaller in SIDES if smaller < side)
        encoded, total = _encode(found, side, workers)
    files: dict[str, str] = {}
    sets = []
    for number, (group, scenes) in enumerate(zip(found, encoded, strict=True)):
        kept = scenes if total <= max_bytes else scenes[: int(len(scenes) * max_bytes / total)]
        faults += _faults(group, scenes)
        if kept:
            sets.append(_set(number, group, kept, files))
    return Pictures({"sets": sets}, files, tuple(faults))


Outcomes = Sequence[tuple[Scene, Encoded | InputError]]


def _side(found: Sequence[Group], max_bytes: int, workers: int) -> int:
    """The largest side whose pictures fit into so many bytes, estimated from some scenes of each group."""
    tried = [scene for group in found for scene in _spread(group.scenes)]
    work = partial(trial, sides=SIDES)
    outcomes = [result for _, result in parallel_map(work, tried, workers=workers, title="sizes of pictures")]
    totals, start = [0.0] * len(SIDES), 0
    for group in found:
        number = len(_spread(group.scenes))
        sizes = [result for result in outcomes[start : start + number] if not isinstance(result, InputError)]
        start += number
        for index in range(len(SIDES)):
            totals[index] += len(group.scenes) * sum(size[index] for size in sizes) / max(1, len(sizes))
    return next((side for side, total in zip(SIDES, totals, strict=True) if total * _RESERVE <= max_bytes), SIDES[-1])


def _spread(scenes: Sequence[Scene]) -> Sequence[Scene]:
    """Some scenes, evenly spread."""
    step = max(1, len(scenes) / _TRIALS)
    return [scenes[int(index * step)] for index in range(min(_TRIALS, len(scenes)))]


def _encode(found: Sequence[Group], side: int, workers: int) -> tuple[list[Outcomes], int]:
    """The outcome of each scene of each group, and the bytes of all."""
    work = partial(encode, side=side)
    outcomes: list[Outcomes] = [
        [*parallel_map(work, group.scenes, workers=workers, title=f"pictures of {group.split}")] for group in found
    ]
    total = sum(result.bytes for group in outcomes for _, result in group if not isinstance(result, InputError))
    return outcomes, total


def _faults(group: Group, outcomes: Outcomes) -> list[Fault]:
    """A fault for all images that cannot be shown, and one for all masks."""
    folder = group.results[0].predictions.folder if group.results[0].predictions else group.results[0].folder
    root = group.results[0].predictions.root if group.results[0].predictions else None
    base = root.resolve() if root else folder
    lost = [message for _, result in outcomes if isinstance(result, InputError) for message in result.messages]
    partly = [message for _, result in outcomes if not isinstance(result, InputError) for message in result.faults]
    faults = []
    if lost:
        faults.append(Fault(str(folder), f"images of {len(lost)} scenes are not shown: {brief(lost, base)}"))
    if partly:
        faults.append(Fault(str(folder), f"{len(partly)} masks are not shown: {brief(partly, base)}"))
    return faults


def _set(number: int, group: Group, outcomes: Outcomes, files: dict[str, str]) -> dict[str, Any]:
    """JSON content of a group; its pictures are added to the files."""
    classes = group.benchmark.classes
    void = _VOID if (0, 0, 0) in classes.colors else (0, 0, 0)
    scenes = [
        _scene(f"picture-{number}-{index}", group, scene, result, files)
        for index, (scene, result) in enumerate(outcomes)
        if not isinstance(result, InputError)
    ]
    return {
        "benchmark": group.benchmark.name,
        "split": group.split,
        "title": f"{group.benchmark.name}, {'folder of images' if group.split == IMAGES else group.split}",
        "classes": [
            {"name": name, "color": list(color)} for name, color in zip(classes.names, classes.colors, strict=True)
        ],
        "void": list(void),
        "confidence": None
        if group.benchmark.confidence_class is None
        else {"class": group.benchmark.confidence_class, "levels": 1 << CONFIDENCE_BITS},
        "results": [{"key": result.key, "run": run} for run, result in zip(group.runs, group.results, strict=True)],
        "available": group.available,
        "scenes": scenes,
    }


def _scene(name: str, group: Group, scene: Scene, encoded: Encoded, files: dict[str, str]) -> dict[str, Any]:
    def added(kind: str, content: bytes | None) -> str | None:
        if content is None:
            return None
        files[f"{name}-{kind}"] = base64.b64encode(content).decode()
        return f"{name}-{kind}"

    return {
        "name": scene.sample.name,
        "full": [encoded.full.width, encoded.full.height],
        "size": [encoded.size.width, encoded.size.height],
        "image": added("image", encoded.image),
        "truth": added("truth", encoded.truth),
        "predictions": [added(str(index), one) for index, one in enumerate(encoded.predictions)],
        "scores": [
            _scores(group.counts_of(index, scene.sample) if one is not None else None, encoded.counts[index])
            for index, one in enumerate(encoded.predictions)
        ],
    }


def _scores(exact: ImageCounts | None, reduced: ImageCounts | None) -> dict[str, Any] | None:
    """Mean IoU and IoU of the classes of an image, from all pixels if they are known, else from the reduced ones."""
    counts = reduced if exact is None else exact
    if counts is None:
        return None
    return {
        "mean": _rounded(mean_score(counts)),
        "classes": [_rounded(value) for value in counts.scores().tolist()],
        "exact": exact is not None,
    }


def _rounded(score: float) -> float | None:
    return None if math.isnan(score) else round(score, 4)
