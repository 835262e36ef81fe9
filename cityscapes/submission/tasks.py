"""The three tasks of the benchmark: the functions that check, pack and fix their predictions.

The package of a task is imported when it is needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from cityscapes.submission import archive_reader, packing
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.recognition import Task, recognise
from cityscapes.submission.report import FixReport, Ids, Report
from engine.files.new_folder import require_new


class Listed(NamedTuple):
    """Files of a folder or zip, and the task that they are for."""

    entries: Sequence[Entry]
    task: Task
    evidence: str
    """Files that show the task; empty if it was given."""


def listed(path: Path, task: Task | None = None) -> Listed:
    """List the files of a folder or zip, and recognise the task that they are for, unless it is given.

    Raises:
        InputError: if there is no such folder or zip, or if it has predictions of two tasks.
    """
    entries = archive_reader.entries(path)
    return Listed(entries, *recognise(path, entries, task))


class Checking(Protocol):
    """Module that checks and packs the predictions of one task."""

    def check(self, path: Path, root: Path | None, *, workers: int, entries: Sequence[Entry] | None) -> Report:
        """See `check`; `entries` are the files, if they are listed already."""

    def pack(
        self,
        folder: Path,
        archive: Path,
        root: Path | None,
        *,
        workers: int,
        made_with: Mapping[str, Any] | None,
        entries: Sequence[Entry] | None,
    ) -> Report:
        """See `pack`."""


class Fixing(Protocol):
    """Module that fixes the predictions of one task."""

    def fix(self, path: Path, new: Path, root: Path | None, *, ids: Ids, workers: int) -> FixReport:
        """See `fix`."""


def check(
    path: Path, root: Path | None, *, task: Task | None = None, workers: int = 1, files: Listed | None = None
) -> Report:
    """Find every fault of the predictions in a folder or zip.

    Args:
        path: folder or zip of the predictions.
        root: data folder. The expected images are those of its `leftImg8bit/test`, and the report lists their deviation
            from the official test set. Without it, the official number of images per city is expected.
        task: pixel, instance or panoptic; recognised if it is None.
        workers: number of processes.
        files: of `path`, if they are listed already.

    Raises:
        InputError: if there is nothing to check: no such path, not a zip, no files, predictions of two tasks, or no
            test images under `root`.
    """
    files = files or listed(path, task)
    return _checking(files.task).check(path, root, workers=workers, entries=files.entries)


def pack(
    folder: Path,
    archive: Path,
    root: Path | None,
    *,
    task: Task | None = None,
    workers: int = 1,
    made_with: Mapping[str, Any] | None = None,
    files: Listed | None = None,
) -> Report:
    """Check the predictions in a folder and zip them; the same files result in the same bytes.

    `<zip>.manifest.json` next to the zip has the sha256 of the zip and of each file in it. It also has `made_with`: any
    JSON content, for example hash of the weights, options and commit. For the other arguments see `check`.

    Raises:
        InputError: with every fault; no zip is written in that case.
    """
    packing.require_paths(folder, archive)
    files = files or listed(folder, task)
    of_task = _checking(files.task)
    return of_task.pack(folder, archive, root, workers=workers, made_with=made_with, entries=files.entries)


def fix(
    path: Path,
    new: Path,
    root: Path | None = None,
    *,
    task: Task | None = None,
    ids: Ids = "auto",
    workers: int = 1,
    files: Listed | None = None,
) -> FixReport:
    """Write fixed copies of the predictions in a folder or zip to a new folder, see the `fix` of each task.

    Raises:
        InputError: with everything that cannot be fixed with certainty; nothing is written in that case.
    """
    require_new(path, new)
    files = files or listed(path, task)
    return _fixing(files.task).fix(path, new, root, ids=ids, workers=workers)


def _checking(task: Task) -> Checking:
    if task == "instance":
        from cityscapes.submission.instance import checking as instance

        return cast(Checking, instance)
    if task == "panoptic":
        from cityscapes.submission.panoptic import checking as panoptic

        return cast(Checking, panoptic)
    from cityscapes.submission.pixel import checking as pixel

    return cast(Checking, pixel)


def _fixing(task: Task) -> Fixing:
    if task == "instance":
        from cityscapes.submission.instance import fixing as instance

        return cast(Fixing, instance)
    if task == "panoptic":
        from cityscapes.submission.panoptic import fixing as panoptic

        return cast(Fixing, panoptic)
    from cityscapes.submission.pixel import fixing as pixel

    return cast(Fixing, pixel)
