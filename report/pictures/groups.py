"""Groups of results that predict the same samples, and the scenes of each group that are shown."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path, PurePath

import numpy as np

from catalogue import benchmark as benchmark_of
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError
from engine.image_counts import ImageCounts, mean_score
from engine.inference.inputs import list_images
from engine.parallel import parallel_map
from report.pictures.encode import Scene, rate
from report.records import Fault, Predictions, Report, Result

IMAGES = "images"
"""Split of results of a folder of images, which has no ground truth."""


@dataclass(frozen=True, eq=False)
class Group:
    """Results of the same samples."""

    benchmark: Benchmark
    split: str
    results: tuple[Result, ...]
    runs: tuple[str, ...]
    """Name of the run of each result."""
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
    together: dict[tuple[str, Path, str], list[tuple[str, Result, Predictions]]] = defaultdict(list)
    faults = []
    for run in report.runs:
        for result in run.results:
            predictions = result.predictions
            if predictions is None or (result.scores and result.scores.task in ("instance", "panoptic")):
                continue
            if predictions.root is None:
                message = "the folder of the data set is unknown, so no picture is shown; give it as --root"
                faults.append(Fault(str(predictions.folder), message))
                continue
            key = (predictions.benchmark, predictions.root.resolve(), predictions.split or IMAGES)
            together[key].append((run.name, result, predictions))
    found = []
    for (name, root, split), members in together.items():
        try:
            found.append(_group(name, root, split, members, most, workers))
        except InputError as error:
            faults.append(Fault(str(members[0][2].folder), f"no picture is shown: {brief(error.messages, root)}"))
    return found, faults


def brief(messages: Sequence[str], root: Path) -> str:
    """The first of several messages, without the path of the data set, because the page may be passed around."""
    first = " ".join(messages[0].split()).replace(f"{root}/", "").replace(str(root), root.name)
    return first if len(messages) == 1 else f"{first} (and {len(messages) - 1} more like it)"


def _group(
    name: str, root: Path, split: str, members: Sequence[tuple[str, Result, Predictions]], most: int, workers: int
) -> Group:
    benchmark = benchmark_of(name)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of the data set; give it as --root")
    samples = list_images(root) if split == IMAGES else benchmark.samples(root, split)
    scenes = []
    for sample in samples:
        paths = tuple(_file(predictions, sample, benchmark) for _, _, predictions in members)
        if any(paths):
            scenes.append(Scene(name, sample, paths))
    if not scenes:
        raise InputError(
            f"{members[0][2].folder}: no prediction of the {len(samples)} images of {split}, expected for example "
            f"{samples[0].name}{benchmark.prediction_suffix}"
        )
    counts = tuple(_known(result, len(benchmark.classes)) for _, result, _ in members)
    group = Group(
        benchmark,
        split,
        tuple(result for _, result, _ in members),
        tuple(run for run, _, _ in members),
        tuple(scenes),
        len(scenes),
        counts,
    )
    if len(scenes) <= most:
        return group
    return Group(
        benchmark, split, group.results, group.runs, tuple(_worst(group, most, workers)), group.available, counts
    )


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


def _worst(group: Group, most: int, workers: int) -> Iterable[Scene]:
    """The worst scenes of each result in turn, in the order of the group; the first scenes if none has a score."""
    rows: list[list[ImageCounts | None]] = [
        [group.counts_of(number, scene.sample) for number in range(len(group.results))] for scene in group.scenes
    ]
    if any(count is None for row in rows for count in row) and group.scenes[0].sample.mask is not None:
        done = parallel_map(partial(rate), group.scenes, workers=workers, title="choosing scenes")
        for row, (_, rated) in zip(rows, done, strict=True):
            if not isinstance(rated, InputError):
                row[:] = [known or found for known, found in zip(row, rated, strict=True)]
    means = np.array([[math.nan if count is None else mean_score(count) for count in row] for row in rows])
    orders = [
        [i for i in np.argsort(column, kind="stable").tolist() if not math.isnan(column[i])] for column in means.T
    ]
    ranked = chain.from_iterable(zip_longest(*orders))
    chosen = dict.fromkeys(index for index in (*ranked, *range(len(rows))) if index is not None)
    return [group.scenes[index] for index in sorted([*chosen][:most])]
