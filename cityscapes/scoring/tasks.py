"""The three tasks of the benchmark: the functions that score and compare their predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from cityscapes.scoring import pixel
from cityscapes.scoring.pixel import comparison
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["pixel"]
TASKS: tuple[Task, ...] = get_args(Task)
PIXEL: Task = "pixel"


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


class Compared(Protocol):
    """Comparison of two results of the same task."""

    def table(self) -> Table:
        """The scores of both results and their differences, by class and on average."""

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1 and their differences, see `table`."""

    def heading(self) -> str:
        """The paths of the files A and B."""

    def verdict(self) -> str:
        """Whether the difference of the averages may be chance, with its interval."""


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
        InputError: with the faults of all files.
    """
    return pixel.measure(predictions, root, split, workers=workers, with_borders=with_borders)


def compare(first: Path, second: Path) -> Compared:
    """Compare two result files of the same task, which is recognised by their keys.

    Raises:
        InputError: if a file is missing or is not a result file, or if the tasks differ.
    """
    return comparison.compare(first, second)
