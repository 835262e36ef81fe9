"""The three tasks of the benchmark: the functions that check, pack and fix their predictions.

The package of a task is imported when it is needed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cityscapes.submission import archive as archives
from cityscapes.submission import archive_reader
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.recognition import recognise
from cityscapes.submission.record import record_of
from cityscapes.submission.report import FixReport, Ids, Report, messages
from cityscapes.tasks import Task
from engine.errors import InputError
from engine.files.lock import exclusive
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


Inspect = Callable[[Path, Path | None, int, Sequence[Entry]], tuple[Report, dict[str, str]]]
"""Function that finds every fault of a folder or zip: from its path, the data folder, the number of workers, and its
files to the report, and the sha256 of each file to pack by name."""


class Fix(Protocol):
    """Function that fixes the predictions of one task, see `fix`."""

    def __call__(self, path: Path, new: Path, root: Path | None, *, ids: Ids, workers: int) -> FixReport:
        """Write fixed copies to a new folder."""


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
    return _inspect(files.task)(path, root, workers, files.entries)[0]


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

    `<zip>.manifest.json` next to the zip has the sha256 of the zip and of each file in it, and the record of the check.
    It also has `made_with`: any JSON content, for example hash of the weights, options and commit. For the other
    arguments see `check`.

    Raises:
        InputError: with every fault; no zip is written in that case.
    """
    require_paths(folder, archive)
    files = files or listed(folder, task)
    report, digests = _inspect(files.task)(folder, root, workers, files.entries)
    if report.faults:
        raise InputError(*messages(folder, report.faults))
    with exclusive(archive, "choose another name"):  # so that zip and manifest belong together
        checked = record_of(report, files.task)
        archives.write(folder, digests, archive, made_with or {}, report.deviation, checked)
    return report


def require_paths(folder: Path, archive: Path) -> None:
    """Check the paths of a folder and of the zip to write.

    Raises:
        InputError: if there is no such folder, or if the name is not that of a zip.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that the predictions were written to")
    if archive.suffix.lower() != ".zip" or archive.is_dir():
        raise InputError(f"{archive}: expected the name of a file ending in .zip; choose another")


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
    return _fix(files.task)(path, new, root, ids=ids, workers=workers)


def _inspect(task: Task) -> Inspect:
    if task == "instance":
        from cityscapes.submission.instance import checking as instance

        return instance.inspect
    if task == "panoptic":
        from cityscapes.submission.panoptic import checking as panoptic

        return panoptic.inspect
    from cityscapes.submission.pixel import checking as pixel

    return pixel.inspect


def _fix(task: Task) -> Fix:
    if task == "instance":
        from cityscapes.submission.instance import fixing as instance

        return instance.fix
    if task == "panoptic":
        from cityscapes.submission.panoptic import fixing as panoptic

        return panoptic.fix
    from cityscapes.submission.pixel import fixing as pixel

    return pixel.fix
