"""The panoptic task: predicted and annotated segments -> panoptic quality (PQ), exactly as the server."""

import functools
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.panoptic import segments, truth
from cityscapes.scoring.panoptic.matching import PanopticCounts, count_pairs, match
from cityscapes.scoring.panoptic.pairs import Pair, pair_files
from cityscapes.scoring.panoptic.result import PanopticResult
from engine.cli.command import warn
from engine.errors import ErrorCollector, InputError
from engine.files.images import read_ids
from engine.findings import grouped
from engine.parallel import parallel_map


class _SceneResult(NamedTuple):
    """Counts of one scene."""

    counts: PanopticCounts
    size: tuple[int, int]
    """Width and height of the scene, in pixels."""
    annotated: int
    """Number of annotated segments, groups included."""


def measure(predictions: Path, root: Path, split: str, *, workers: int = 1) -> PanopticResult:
    """Score panoptic predictions of the scenes of a split that have ground truth, see `pair_files`.

    The figures are bit-identical for any number of workers. Less than a kilobyte is kept per image, besides the
    segments in the JSON file. Warnings on stderr report predictions that are not scored.

    Raises:
        InputError: with the faults of all files.
    """
    files = pair_files(predictions, root, split)
    faults = list(files.faults)
    counts: list[PanopticCounts] = []
    sizes: Counter[tuple[int, int]] = Counter()
    annotated = 0
    work = functools.partial(_score_scene, json=files.json)
    for _, scene in parallel_map(work, files.pairs, workers=workers, title="scoring"):
        if isinstance(scene, InputError):
            faults.extend(scene.messages)
            continue
        counts.append(scene.counts)
        sizes[scene.size] += 1
        annotated += scene.annotated
    if faults or not counts:
        raise InputError(*grouped(faults))
    if not annotated:
        raise InputError(f"{root}: no segment in the ground truth of the {split} split; {truth.remedy(split)}")
    warn(files.warnings)
    return PanopticResult(tuple(counts), Coverage.of(split, [image.stem for image in counts], sizes, files.left_out))


def _score_scene(pair: Pair, *, json: Path) -> _SceneResult:
    """Read and match the segments of one scene.

    Raises:
        InputError: with all faults of its files.
    """
    true_ids, predicted_ids = _read(pair)
    pairs = count_pairs(true_ids, predicted_ids)
    errors = ErrorCollector()
    with errors.collect():
        annotated = truth.segments_of(pair.truth, pairs)
    predicted = pair.prediction.segments
    found = np.unique(pairs.predicted_ids)
    errors.messages += segments.prediction_faults(pair.prediction.path, json, found, predicted.ids)
    errors.raise_if_any()
    height, width = true_ids.shape
    return _SceneResult(match(pair.truth.stem, annotated, predicted, pairs), (width, height), len(annotated.ids))


def _read(pair: Pair) -> tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]]]:
    """(H, W) ids of the ground truth and of the prediction.

    Raises:
        InputError: if a file cannot be read, or if the sizes differ.
    """
    size = None
    errors = ErrorCollector()
    with errors.collect():
        true_ids = read_ids(pair.truth.path) if pair.truth.segments is None else segments.read(pair.truth.path)
        size = (true_ids.shape[0], true_ids.shape[1])
    with errors.collect():
        predicted_ids = segments.read(pair.prediction.path, size)
    errors.raise_if_any()
    return true_ids, predicted_ids
