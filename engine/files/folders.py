"""Search for files in a folder, in which unreadable parts are errors instead of being skipped."""

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from engine.errors import InputError

_LONGEST_NAME = 255
"""Bytes of the longest name of a file in common file systems."""


def can_exist(path: str) -> bool:
    """Whether a file can have this path, which may be from a file of unknown origin.

    A name cannot contain a null byte or half of a surrogate pair, and has at most 255 bytes.
    """
    try:
        names = os.fsencode(path).split(b"/")
    except UnicodeEncodeError:
        return False
    return not any(b"\0" in name or len(name) > _LONGEST_NAME for name in names)


def find(folder: Path, pattern: str, *, levels: int | None = None, hidden: bool = False) -> list[Path]:
    """The entries below a folder whose names match a pattern such as `*.png`, sorted.

    Args:
        folder: to search; if it does not exist, there are no entries.
        pattern: for names, with the `*`, `?` and `[...]` of a shell; case-sensitive.
        levels: depth of the entries: 0 for entries of the folder itself, 1 for those of its subfolders. Links to
            folders are then followed. By default all depths, without following links, because they may form a cycle.
        hidden: whether to include names that begin with a dot, and the entries of such folders.

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
    """Entries at a depth, or at all depths; folders that cannot be listed are added to the faults."""
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
        if not levels:  # at this depth, or at all depths
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
        faults.append(f"{entry.path}: cannot inspect it ({error.strerror}); check the disk")
        return False
