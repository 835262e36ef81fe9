"""Groups of results that predict the same samples, and the scenes of each group that are shown."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from catalogue import BENCHMARKS
from catalogue import benchmark as benchmark_of
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError, printable
from engine.files.folders import find
from engine.image_counts import ImageCounts, mean_score
from engine.inference.inputs import list_images
from engine.parallel import parallel_map
from report.pictures.encode import Scene, rate
from report.pictures.samples import samples_of
from report.records import Fault, Predictions, Report, Result

IMAGES = "images"
"""Split of results of a folder of images, which has no ground truth."""


class PicturedResult(NamedTuple):
    """A result with predictions."""

    run: str
    """Name of its run."""
    result: Result
    predictions: Predictions


Counts = Sequence[Sequence[ImageCounts | None]]
"""Counts of scenes for each result; None where they are unknown."""


@dataclass(frozen=True, eq=False)
class Group:
    """Results of the same samples."""

    benchmark: Benchmark
    split: str
    """Split of the benchmark, or IMAGES."""
    members: tuple[PicturedResult, ...]
    scenes: tuple[Scene, ...]
    """Scenes to show."""
    available: int
    """Number of scenes that any result predicts."""
    counts: tuple[dict[str, ImageCounts], ...]
    """Counts at full resolution by name of the image, for each result; empty if they are unknown."""

    def counts_of(self, result: int, sample: Sample) -> ImageCounts | None:
        """Counts of a sample at full resolution; None if they are unknown."""
        counts = self.counts[result]
        return counts.get(sample.name) or counts.get(PurePath(sample.name).name)


def groups(report: Report, most: int, workers: int) -> tuple[list[Group], list[Fault]]:
    """The groups of a report that can be shown, and why others cannot.

    Args:
        report: with the results.
        most: largest number of scenes of a group.
        workers: number of processes that read masks, if scores are needed to choose the worst scenes.
    """
    together: dict[tuple[str, Path, str], list[PicturedResult]] = defaultdict(list)
    faults = []
    for run in report.runs:
        for result in run.results:
            predictions = result.predictions
            if predictions is None or (result.scores and result.scores.task in ("instance", "panoptic")):
                continue
            try:
                together[_key(predictions)].append(PicturedResult(run.name, result, predictions))
            except InputError as error:
                faults.append(Fault(printable(str(predictions)), f"no picture is shown: {error}"))
    found = []
    for (name, root, split), members in together.items():
        try:
            found.append(_group(name, root, split, members, most, workers))
        except InputError as error:
            faults.append(Fault(printable(str(members[0].predictions)), f"no picture is shown: {brief(error, [root])}"))
    found.sort(key=lambda group: all(scene.sample.mask is None for scene in group.scenes))  # with ground truth first
    return found, faults


def _key(predictions: Predictions) -> tuple[str, Path, str]:
    """Benchmark, folder and split, which results of the same samples share.

    Raises:
        InputError: if one of them is unknown. A benchmark must be in the catalogue, because the name is from a file,
            and an import path would run code.
    """
    if predictions.benchmark not in BENCHMARKS:
        raise InputError(f"benchmark {predictions.benchmark!r}, expected one of {', '.join(BENCHMARKS)}")
    if predictions.images is not None:
        return predictions.benchmark, predictions.images.resolve(), IMAGES
    if predictions.root is None and predictions.split is None:
        raise InputError("the folder of the images is unknown, or no longer there; predict them again")
    if predictions.root is None:
        raise InputError("the folder of the data set is unknown, or no longer there; give it as --root")
    benchmark = benchmark_of(predictions.benchmark)
    splits = (*benchmark.splits, *benchmark.training_splits)
    if predictions.split not in splits:
        raise InputError(f"split {predictions.split!r}, expected one of {', '.join(splits)}")
    return predictions.benchmark, predictions.root.resolve(), predictions.split


def brief(error: InputError, folders: Iterable[Path]) -> str:
    """The first message of an error, without the paths of absolute folders, because the page may be passed around."""
    first = " ".join(error.messages[0].split())
    for folder in folders:
        if folder.is_absolute() and folder.name:
            first = first.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return first if len(error.messages) == 1 else f"{first} (and {len(error.messages) - 1} more)"


def _group(name: str, root: Path, split: str, members: Sequence[PicturedResult], most: int, workers: int) -> Group:
    benchmark = benchmark_of(name)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of the data set; give it as --root")
    samples = list_images(root) if split == IMAGES else samples_of(benchmark, root, split)
    files = [_files(member.predictions, samples, benchmark) for member in members]
    rows = zip(samples, zip(*files, strict=True), strict=True)
    scenes = [Scene(name, sample, paths) for sample, paths in rows if any(paths)]
    if not scenes:
        raise InputError(
            f"no prediction of the {len(samples)} images of {split}; expected for example "
            f"{samples[0].name}{benchmark.prediction_suffix}, or other PNGs whose names begin with those of the images"
        )
    counts = tuple(_known(member.result, len(benchmark.classes)) for member in members)
    group = Group(benchmark, split, tuple(members), tuple(scenes), len(scenes), counts)
    if len(scenes) <= most:
        return group
    chosen = worst(_rated(group, workers), most)
    return replace(group, scenes=tuple(scenes[index] for index in chosen))


def _files(predictions: Predictions, samples: Sequence[Sample], benchmark: Benchmark) -> list[Path | None]:
    """The prediction of each sample: at its place, otherwise the only PNG whose name begins with that of the sample.

    So predictions of other programs are found, whose names the scorer accepts too.
    """
    found = [_file(predictions, sample, benchmark) for sample in samples]
    if any(found):
        return found
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in find(predictions.folder, "*.png"):
        for end in re.finditer(r"[._-]", path.name):
            by_stem[path.name[: end.start()]].append(path)
    listed = [by_stem.get(PurePath(sample.name).name, []) for sample in samples]
    return [paths[0] if len(paths) == 1 else None for paths in listed]


def _file(predictions: Predictions, sample: Sample, benchmark: Benchmark) -> Path | None:
    """The prediction of a sample: at its place, or without the folder of the sample; None if there is none."""
    for name in dict.fromkeys((sample.name, PurePath(sample.name).name)):
        path = predictions.folder / f"{name}{benchmark.prediction_suffix}"
        if path.is_file():
            return path
    return None


def _known(result: Result, classes: int) -> dict[str, ImageCounts]:
    images = result.scores.images if result.scores else ()
    return {image.stem: image for image in images if len(image.hits) == classes}


def _rated(group: Group, workers: int) -> Counts:
    """Counts of all scenes; where they are unknown, those of reduced masks."""
    rows: list[list[ImageCounts | None]] = [
        [group.counts_of(number, scene.sample) for number in range(len(group.members))] for scene in group.scenes
    ]
    if any(count is None for row in rows for count in row) and any(scene.sample.mask for scene in group.scenes):
        done = parallel_map(rate, group.scenes, workers=workers, title="choosing scenes")
        for row, (_, rated) in zip(rows, done, strict=True):
            if not isinstance(rated, InputError):
                row[:] = [known or found for known, found in zip(row, rated, strict=True)]
    return rows


def worst(rows: Counts, most: int) -> list[int]:
    """Indices of the worst scenes of each result in turn, in the given order; the first scenes if none has a score.

    Args:
        rows: counts of each scene for each result.
        most: largest number of scenes.
    """
    means = np.array([[math.nan if count is None else mean_score(count) for count in row] for row in rows])
    orders = [
        [index for index in np.argsort(column, kind="stable").tolist() if not math.isnan(column[index])]
        for column in means.T
    ]
    ranked = chain(chain.from_iterable(zip_longest(*orders)), range(len(rows)))
    return sorted([*dict.fromkeys(index for index in ranked if index is not None)][:most])
