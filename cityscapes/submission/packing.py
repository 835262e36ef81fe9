"""A folder of predictions of any task -> a zip with its manifest, if the check finds no fault."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cityscapes.submission import archive as archives
from cityscapes.submission.report import Report, messages
from engine.errors import InputError
from engine.files.lock import exclusive

Digests = Mapping[str, str]
"""Path of each file to pack within the folder -> its sha256 when it was checked."""


def pack(
    folder: Path, archive: Path, check: Callable[[], tuple[Report, Digests]], made_with: Mapping[str, Any] | None
) -> Report:
    """Check a folder and zip the files that a submission needs.

    Args:
        folder: the folder of the predictions.
        archive: path of the zip, see `archive.write`.
        check: the check of the folder, which is called if the paths are right, see `require_paths`.
        made_with: JSON content for the manifest.

    Raises:
        InputError: with every fault; no zip is written in that case.
    """
    require_paths(folder, archive)
    report, digests = check()
    if report.faults:
        raise InputError(*messages(folder, report.faults))
    with exclusive(archive, "choose another name"):  # so that zip and manifest belong together
        archives.write(folder, digests, archive, made_with or {}, report.deviation)
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
