"""The files in a folder, found so that no part of it is left out in silence."""

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from engine.errors import InputError


def find(folder: Path, pattern: str, *, levels: int | None = None, hidden: bool = False) -> list[Path]:
    """The entries below a folder whose names match a pattern such as `*.png`, sorted.

    Args:
        folder: where to look; none there is no error, but gives no entry.
        pattern: of names, in which `*`, `?` and `[...]` mean what they mean to a shell; capitals count.
        levels: how many folders down: 0 for those in the folder itself, 1 for those in its subfolders. Links to
            folders are then followed. By default at any depth, without following links, so that no circle is walked.
        hidden: whether names that begin with a dot count, and what is in such folders.

    Raises:
        InputError: with every folder that cannot be listed.
    """
    faults: list[str] = []
    found = _below(folder, levels, hidden=hidden, faults=faults)
    paths = sorted(path for path in found if fnmatch.fnmatchcase(path.name, pattern))
    if faults:
        raise InputError(*faults)
    return paths


def _below(folder: Path, levels: int | None, *, hidden: bool, faults: list[str]) -> Iterator[Path]:
    """All entries at the wanted depth, or at any; folders that cannot be listed are added to the faults."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(
                (entry for entry in listing if hidden or entry.name[0] != "."), key=lambda entry: entry.name
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        faults.append(f"{folder}: cannot list this folder ({error.strerror}); make it readable, or move it away")
        return
    for entry in entries:
        if not levels:  # at this depth, or at any
            yield Path(entry.path)
        if levels == 0:
            continue
        if _is_folder(entry, follow=levels is not None, faults=faults):
            deeper = None if levels is None else levels - 1
            yield from _below(Path(entry.path), deeper, hidden=hidden, faults=faults)


def _is_folder(entry: "os.DirEntry[str]", *, follow: bool, faults: list[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError as error:
        faults.append(f"{entry.path}: cannot look at it ({error.strerror}); check the disk")
        return False
