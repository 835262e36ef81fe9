"""The three tasks of the benchmark: the functions that score and compare their predictions."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cityscapes.scoring import comparison, pixel, recognition
from cityscapes.scoring.comparison import Comparison
from cityscapes.tasks import Task, require_task
from engine.errors import InputError
from engine.files.documents import read_json
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_MAX_BYTES = 1 << 27
"""Largest result file that is compared; one of 3,000 images of 100 instances has an eighth of this."""
_KEYS = {"classScores": "pixel", "averages": "instance", "per_class": "panoptic"}
"""Key that only the result files of a task have -> the task, which is also the name of its package."""


class Result(Protocol):
    """Result of scoring a split, for any task."""

    def to_json(self) -> dict[str, Any]:
        """The figures under the keys of the official result file, and our own under additional keys."""

    def table(self) -> Table:
        """The scores from 0 to 1, by class and on average."""

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1, see `table`; NaN where there is no score."""

    def images_to_dataframe(self) -> "pd.DataFrame":
        """Figures of each image, worst image first."""

    def remark(self) -> str:
        """The bootstrap interval and the coverage, as lines below the table."""

    def write_details(self, folder: Path) -> list[Path]:
        """Write the figures of single images and the confusion of classes, and return the paths of the files."""


def measure(
    task: Task, predictions: Path, root: Path, split: str, *, workers: int, with_borders: bool = False
) -> Result:
    """Score the predictions of a split.

    Args:
        task: the task that the predictions are for.
        predictions: folder of the predictions, in the format of the task.
        root: the folder that contains gtFine/.
        split: name of the split: train, val or test.
        workers: number of processes; the figures are bit-identical for any number.
        with_borders: also measure boundary IoU; only for the pixel task.

    Raises:
        InputError: if there is no such task, or with the faults of all files; if the predictions are for another task,
            with that alone, because the other messages would follow from it.
    """
    require_task(task)
    try:
        if task == "instance":
            from cityscapes.scoring import instance

            return instance.measure(predictions, root, split, workers=workers)
        if task == "panoptic":
            from cityscapes.scoring import panoptic

            return panoptic.measure(predictions, root, split, workers=workers)
        return pixel.measure(predictions, root, split, workers=workers, with_borders=with_borders)
    except InputError as error:
        if message := recognition.other_task(predictions, task):
            raise InputError(message) from error
        raise


def compare(first: Result | Path, second: Result | Path) -> Comparison:
    """Compare two results of the same task: result files, whose task is recognised by their keys, or just measured.

    Raises:
        InputError: if a file is missing or is not a result file, or if the tasks differ.
    """
    sources = [
        (source, read_json(source, _MAX_BYTES)) if isinstance(source, Path) else (Path(name), source.to_json())
        for name, source in (("A", first), ("B", second))
    ]
    tasks = [_task_of(path, content) for path, content in sources]
    if tasks[0] != tasks[1]:
        named = " and ".join(f"{path} is of the {task} task" for (path, _), task in zip(sources, tasks, strict=True))
        raise InputError(f"{named}; compare two results of the same task")
    of_task = importlib.import_module(f"cityscapes.scoring.{tasks[0]}.comparison")
    compared: Comparison = of_task.compare(*(of_task.read(path, content) for path, content in sources))
    return compared


def _task_of(path: Path, content: Any) -> str:
    """The task of the content of a result file."""
    for key, task in _KEYS.items():
        if isinstance(content, dict) and key in content:
            return task
    keys = ", ".join(_KEYS)
    raise InputError(f"{path}: not the result of a scorer, which has one of the keys {keys}; {comparison.REMEDY}")
