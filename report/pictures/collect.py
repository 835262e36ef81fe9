"""Pictures of the scenes that results have predictions of."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engine.errors import InputError, printable
from engine.image_counts import ImageCounts, mean_score
from engine.parallel import parallel_map
from report.pictures.encode import CONFIDENCE_BITS, Encoded, Scene, encode, trial
from report.pictures.groups import IMAGES, Group, brief, groups, worst
from report.records import Fault, Report

SIDES = (1024, 896, 768, 640, 512, 448, 384, 320, 256, 192, 128)
"""Longest sides of pictures in pixels, from which the largest that fits is chosen."""
_TRIALS = 16
"""Number of scenes that are encoded in all sizes to choose the side; at least two of each group."""
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
    for number, (group, outcomes) in enumerate(zip(found, encoded, strict=True)):
        faults += _faults(group, outcomes)
        scenes = [(scene, result) for scene, result in outcomes if not isinstance(result, InputError)]
        if total > max_bytes:
            rows = [
                [group.counts_of(index, scene.sample) or counts for index, counts in enumerate(result.counts)]
                for scene, result in scenes
            ]
            scenes = [scenes[index] for index in worst(rows, int(len(scenes) * max_bytes / total))]
        if scenes:
            sets.append(_set(number, group, scenes, files))
    return Pictures({"sets": sets}, files, tuple(faults))


Outcomes = Sequence[tuple[Scene, Encoded | InputError]]


def _side(found: Sequence[Group], max_bytes: int, workers: int) -> int:
    """The largest side whose pictures fit into so many bytes, estimated from some scenes of each group."""
    tries = [_spread(group.scenes, max(2, _TRIALS // len(found))) for group in found]
    tried = [scene for scenes in tries for scene in scenes]
    work = partial(trial, sides=SIDES)
    outcomes = [result for _, result in parallel_map(work, tried, workers=workers, title="sizes of pictures")]
    totals, start = [0.0] * len(SIDES), 0
    for group, scenes in zip(found, tries, strict=True):
        sizes = [result for result in outcomes[start : start + len(scenes)] if not isinstance(result, InputError)]
        start += len(scenes)
        for index in range(len(SIDES)):
            totals[index] += len(group.scenes) * sum(size[index] for size in sizes) / max(1, len(sizes))
    return next((side for side, total in zip(SIDES, totals, strict=True) if total * _RESERVE <= max_bytes), SIDES[-1])


def _spread(scenes: Sequence[Scene], number: int) -> Sequence[Scene]:
    """So many scenes, evenly spread."""
    step = max(1, len(scenes) / number)
    return [scenes[int(index * step)] for index in range(min(number, len(scenes)))]


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
    first = group.members[0].predictions
    folders = [(first.images or first.root or first.folder).resolve()]
    folders += [member.predictions.folder for member in group.members]
    lost = [message for _, result in outcomes if isinstance(result, InputError) for message in result.messages]
    partly = [message for _, result in outcomes if not isinstance(result, InputError) for message in result.faults]
    kinds = {"scene(s) without a readable image": lost, "mask(s)": partly}
    return [
        Fault(printable(str(first)), f"{len(messages)} {kind} not shown: {brief(InputError(*messages), folders)}")
        for kind, messages in kinds.items()
        if messages
    ]


def _set(number: int, group: Group, scenes: Sequence[tuple[Scene, Encoded]], files: dict[str, str]) -> dict[str, Any]:
    """JSON content of a group; its pictures are added to the files."""
    classes = group.benchmark.classes
    void = _VOID if (0, 0, 0) in classes.colors else (0, 0, 0)
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
        "results": [{"key": member.result.key, "run": member.run} for member in group.members],
        "available": group.available,
        "scenes": [
            _scene(f"picture-{number}-{index}", group, scene, encoded, files)
            for index, (scene, encoded) in enumerate(scenes)
        ],
    }


def _scene(name: str, group: Group, scene: Scene, encoded: Encoded, files: dict[str, str]) -> dict[str, Any]:
    def added(kind: str, content: bytes | None) -> str | None:
        if content is None:
            return None
        files[f"{name}-{kind}"] = base64.b64encode(content).decode()
        return f"{name}-{kind}"

    return {
        "name": printable(scene.sample.name),
        "full": [encoded.full.width, encoded.full.height],
        "size": [encoded.size.width, encoded.size.height],
        "image": added("image", encoded.image),
        "truth": added("truth", encoded.truth),
        "predictions": [added(str(index), one) for index, one in enumerate(encoded.predictions)],
        "scores": [
            _scores(group.counts_of(index, scene.sample), encoded, index) if one is not None else None
            for index, one in enumerate(encoded.predictions)
        ],
    }


def _scores(known: ImageCounts | None, encoded: Encoded, index: int) -> dict[str, Any] | None:
    """Mean IoU and IoU of the classes of an image, from all pixels if they are known, else from the reduced ones."""
    counts = encoded.counts[index] if known is None else known
    if counts is None:
        return None
    return {
        "mean": _rounded(mean_score(counts)),
        "classes": [_rounded(value) for value in counts.scores().tolist()],
        "exact": known is not None or encoded.size == encoded.full,
    }


def _rounded(score: float) -> float | None:
    return None if math.isnan(score) else round(score, 8)
