"""The functions that `import cityscapes` offers; docs/api.md shows them. None of them needs torch.

Paths may be texts. Folders hold files as docs/datasets.md, docs/scoring.md and docs/submission.md describe.
"""

from pathlib import Path
from typing import Literal, overload

from cityscapes import submission
from cityscapes.ground_truth import polygons
from cityscapes.ground_truth.polygons import Masks
from cityscapes.labels import CLASSES, LABEL_ID_OF, OFFICIAL
from cityscapes.scoring import ScoringResult, tasks
from cityscapes.scoring.comparison import Comparison
from cityscapes.scoring.tasks import Result
from cityscapes.submission import Report
from cityscapes.tasks import Task
from engine.arrays import UInt8Array
from engine.errors import InputError


def draw_masks(polygon_file: str | Path) -> Masks:
    """Draw the masks of a polygon file of gtFine or gtCoarse.

    Returns:
        `.label_ids` (H, W) uint8, `.train_ids` (H, W) uint8 with 255 for void, `.colors` (H, W, 3) uint8 RGB, and
        `.instance_ids` (H, W) uint16; equal to the official masks.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    path = Path(polygon_file)
    annotation = polygons.read(path)
    try:
        return polygons.draw(annotation)
    except InputError as error:
        raise InputError(*(f"{path}: {message}" for message in error.messages)) from error


@overload
def score(
    predictions: str | Path,
    root: str | Path,
    split: str = "val",
    *,
    task: Literal["pixel"] = "pixel",
    boundary: bool = False,
    workers: int = 1,
) -> ScoringResult: ...
@overload
def score(predictions: str | Path, root: str | Path, split: str = "val", *, task: Task, workers: int = 1) -> Result: ...
def score(
    predictions: str | Path,
    root: str | Path,
    split: str = "val",
    *,
    task: Task = "pixel",
    boundary: bool = False,
    workers: int = 1,
) -> Result:
    """Score a folder of predictions as the evaluation server does.

    Args:
        predictions: the folder, with files as docs/scoring.md describes for the task.
        root: the folder that contains gtFine/.
        split: train or val.
        task: pixel (IoU), instance (AP) or panoptic (PQ).
        boundary: also measure boundary IoU; only for the pixel task.
        workers: number of processes.

    Raises:
        InputError: with everything that is wrong with any file.
        ValueError: for boundary IoU of another task.
    """
    if boundary and task != "pixel":
        raise ValueError("boundary IoU is measured for the pixel task only")
    return tasks.measure(task, Path(predictions), Path(root), split, workers=workers, with_borders=boundary)


def compare(first: Result | str | Path, second: Result | str | Path) -> Comparison:
    """Compare two results of the same task by class, with the interval of the difference of their averages.

    Args:
        first: a result of `score`, or a result file of `python -m cityscapes.scoring --output FILE`.
        second: likewise; what it has over the first is positive.

    Raises:
        InputError: if a file is missing or is not a result file.
    """
    sources = (Path(source) if isinstance(source, str) else source for source in (first, second))
    return tasks.compare(*sources)


def check(
    predictions: str | Path, root: str | Path | None = None, *, task: Task | None = None, workers: int = 1
) -> Report:
    """Check predictions of the test split, in a zip or folder, as the evaluation server would.

    Args:
        predictions: the zip or folder.
        root: the folder that contains leftImg8bit/; None expects the official number of images of each city.
        task: pixel, instance or panoptic; None recognises it by the files.
        workers: number of processes.

    Raises:
        InputError: if there is nothing to check, or if there are predictions of two tasks.
    """
    return submission.check(Path(predictions), None if root is None else Path(root), task=task, workers=workers)


def pack(
    folder: str | Path,
    archive: str | Path,
    root: str | Path | None = None,
    *,
    task: Task | None = None,
    workers: int = 1,
) -> Report:
    """Check predictions of the test split in a folder, and write them as a zip for the evaluation server.

    Args:
        folder: the folder of the predictions.
        archive: path of the zip; its manifest lies next to it.
        root: as for `check`.
        task: as for `check`.
        workers: number of processes.

    Raises:
        InputError: with every fault; no zip is written in that case.
    """
    data = None if root is None else Path(root)
    return submission.pack(Path(folder), Path(archive), data, task=task, workers=workers)


def to_train_ids(label_ids: UInt8Array) -> UInt8Array:
    """Convert (H, W) label ids to train ids, 0 to 18; labels that are not scored become 255."""
    return OFFICIAL.train_id_of[label_ids]


def to_label_ids(train_ids: UInt8Array) -> UInt8Array:
    """Convert (H, W) train ids to label ids, as prediction files have them; ids above 18 become 0, unlabeled."""
    return LABEL_ID_OF[train_ids]


def colorize(train_ids: UInt8Array) -> UInt8Array:
    """Colour (H, W) train ids as (H, W, 3) uint8 RGB in the official colours; ids above 18 become black."""
    return CLASSES.colorize(train_ids)
