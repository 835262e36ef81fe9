"""The pixel task: predictions and official masks -> IoU and iIoU of classes and categories, exactly as the server."""

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import Scene
from cityscapes.predictions import train_id_warning
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.pixel import boundary, images
from cityscapes.scoring.pixel.boundary import BorderCounts
from cityscapes.scoring.pixel.counts import SCORED, Counts, Pair, count, read
from cityscapes.scoring.pixel.pairs import pair_files
from cityscapes.scoring.pixel.result import ScoringResult
from cityscapes.scoring.pixel.scores import CityscapesScores, scores_of
from cityscapes.scoring.scene_files import masks_remedy
from engine.cli.command import warn
from engine.errors import InputError
from engine.findings import counted, grouped
from engine.image_counts import ImageCounts
from engine.parallel import parallel_map


class _SceneResult(NamedTuple):
    """Counts of one scene."""

    counts: Counts
    borders: BorderCounts | None
    size: tuple[int, int]
    """Width and height of the scene, in pixels."""


def score(
    predictions: Path,
    root: Path,
    split: str,
    *,
    workers: int = 1,
    scenes: Sequence[Scene] | None = None,
    known_ids: bool = False,
) -> CityscapesScores:
    """Scores of the predictions of a split; `measure` returns everything else as well."""
    return measure(predictions, root, split, workers=workers, scenes=scenes, known_ids=known_ids).scores


def measure(
    predictions: Path,
    root: Path,
    split: str,
    *,
    workers: int = 1,
    scenes: Sequence[Scene] | None = None,
    with_borders: bool = False,
    known_ids: bool = False,
) -> ScoringResult:
    """Score the predictions of the scenes of a split that have the official masks, see `pair_files`.

    The figures are bit-identical for any number of workers. Less than a kilobyte is kept per image.
    Warnings on stderr report predictions that are not scored and instance ids that contradict label ids. A warning also
    reports ids that agree with the ground truth only if read as train ids, unless they are known to be label ids.

    Raises:
        InputError: with the faults of all files.
    """
    files = pair_files(predictions, root, split, scenes)
    faults = list(files.faults)
    total: Counts | None = None
    borders: BorderCounts | None = None
    image_counts: list[ImageCounts] = []
    sizes: Counter[tuple[int, int]] = Counter()
    contradicting: list[str] = []
    work = functools.partial(_score_scene, with_borders=with_borders)
    for pair, scene in parallel_map(work, files.pairs, workers=workers, title="scoring"):
        if isinstance(scene, InputError):
            faults.extend(scene.messages)
            continue
        total = scene.counts if total is None else total.plus(scene.counts)
        borders = scene.borders if borders is None or scene.borders is None else borders.plus(scene.borders)
        image_counts.append(images.count(pair.stem, scene.counts.confusion))
        sizes[scene.size] += 1
        if scene.counts.contradictions:
            contradicting.append(f"{pair.instance_ids}: {counted(scene.counts.contradictions, 'pixel')}")
    if faults or total is None:
        raise InputError(*grouped(faults))
    if not total.confusion[SCORED].any():
        raise InputError(f"{root}: no pixel of the {split} masks has a scored label; {masks_remedy(split)}")
    id_warning = None if known_ids else train_id_warning(total.confusion)
    _warn(predictions, id_warning, files.warnings, contradicting)
    coverage = Coverage.of(split, [image.stem for image in image_counts], sizes, files.left_out)
    return ScoringResult(scores_of(total), tuple(image_counts), borders, coverage)


def _warn(predictions: Path, id_warning: str | None, warnings: Sequence[str], contradicting: Sequence[str]) -> None:
    """Print warnings about files that are scored nevertheless."""
    lines = list(warnings)
    if contradicting:
        lines.append(
            f"{counted(len(contradicting), 'instanceIds mask')} with labels that differ from labelIds (first "
            f"{contradicting[0]}): IoU uses labelIds, iIoU uses instanceIds; unpack gtFine_trainvaltest.zip again"
        )
    if id_warning:
        lines.append(f"{predictions}: {id_warning}")
    warn(lines)


def _score_scene(pair: Pair, *, with_borders: bool) -> _SceneResult:
    masks = read(pair)
    counts = count(pair, masks)
    height, width = masks.label_ids.shape
    return _SceneResult(counts, boundary.borders(masks) if with_borders else None, (width, height))
