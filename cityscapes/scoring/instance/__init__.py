"""The instance task: text files with masks and official instance ids -> AP of the classes, exactly as the server."""

import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cityscapes.formats.instance import CLASS_NUMBERS, LABELS_WITH_INSTANCES, USE_LABEL_IDS
from cityscapes.labels import BY_ID
from cityscapes.predictions import FIX_COMMAND
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.instance import confusion
from cityscapes.scoring.instance.average_precision import MIN_PIXELS, ImageDetections, detections
from cityscapes.scoring.instance.pairs import Pair, pair_files
from cityscapes.scoring.instance.reading import Unscored, match
from cityscapes.scoring.instance.result import InstanceResult
from cityscapes.scoring.scene_files import masks_remedy
from engine.arrays import Int64Array
from engine.cli.command import warn
from engine.errors import InputError
from engine.findings import counted, grouped
from engine.parallel import parallel_map

_TRAIN_IDS = frozenset(label.train_id for label in LABELS_WITH_INSTANCES)
"""Train ids of the labels with instances, 11 to 18; as label ids, none of them has instances."""
_SHOWN = 8
"""Number of labels that a warning names."""


class _SceneResult(NamedTuple):
    """Figures of one scene."""

    detections: ImageDetections
    confusion: Int64Array
    """(10, 9) see `confusion.count`."""
    unscored: Unscored
    size: tuple[int, int]
    """Width and height of the scene, in pixels."""


def measure(predictions: Path, root: Path, split: str, *, workers: int = 1) -> InstanceResult:
    """Score the text files and masks of the scenes of a split that have the official mask of instance ids.

    The figures are bit-identical for any number of workers. About a kilobyte is kept per image.
    Warnings on stderr report predictions that are not scored.

    Raises:
        InputError: with the faults of all files.
    """
    files = pair_files(predictions, root, split)
    faults = list(files.faults)
    images: list[ImageDetections] = []
    matrix = np.zeros((len(confusion.ROWS), len(confusion.COLUMNS)), np.int64)
    sizes: Counter[tuple[int, int]] = Counter()
    unscored = Unscored(Counter(), 0, 0)
    work = functools.partial(_score_scene, predictions=predictions)
    for _, scene in parallel_map(work, files.pairs, workers=workers, title="scoring"):
        if isinstance(scene, InputError):
            faults.extend(scene.messages)
            continue
        images.append(scene.detections)
        matrix += scene.confusion
        sizes[scene.size] += 1
        unscored = unscored.plus(scene.unscored)
    if faults or not images:
        raise InputError(*grouped(faults))
    if not any(found.instances for image in images for found in image.classes):
        raise InputError(f"{root}: no instance of {MIN_PIXELS} pixels in the {split} masks; {masks_remedy(split)}")
    scored = any(found.confidences.size for image in images for found in image.classes)
    warn([*files.warnings, *_warnings(predictions, unscored, scored=scored)])
    coverage = Coverage.of(split, [image.stem for image in images], sizes, files.left_out)
    return InstanceResult(tuple(images), matrix, coverage)


def _score_scene(pair: Pair, *, predictions: Path) -> _SceneResult:
    matches, unscored, size = match(pair, predictions)
    found = detections(matches)
    return _SceneResult(found, confusion.count(matches, found), unscored, size)


def _warnings(folder: Path, unscored: Unscored, *, scored: bool) -> Iterator[str]:
    """Warnings about masks that are not scored, as in the official script.

    Args:
        folder: of the predictions.
        unscored: the masks.
        scored: whether other masks are scored, so that the ids are label ids.
    """
    if labels := unscored.labels:
        named = ", ".join(f"{number} of {label} {BY_ID[label].name}" for label, number in labels.most_common(_SHOWN))
        todo = "those with instances are 24 to 28 and 31 to 33"
        if not scored and _TRAIN_IDS.issuperset(labels):
            todo = f"these look like train ids; convert them to label ids: {FIX_COMMAND}"
        elif not scored and CLASS_NUMBERS.issuperset(labels):
            todo = f"these look like numbers of a network's classes; {USE_LABEL_IDS}"
        what = f"{counted(labels.total(), 'mask')} not scored, whose label ids have no instances ({named})"
        yield f"{folder}: {what}; {todo}"
    if unscored.repeated:
        what = f"{counted(unscored.repeated, 'line')} not scored, because a later line names the same mask"
        yield f"{folder}: {what}; write one mask for each line"
    if unscored.empty:
        yield f"{folder}: {counted(unscored.empty, 'mask')} not scored, without a pixel; leave them out"
