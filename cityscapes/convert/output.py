"""New folder of a conversion, which is written completely or not at all, and the result."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import require_writable
from engine.findings import grouped

_SHOWN = 50
"""Number of faults of a kind that are listed; the others are counted."""
_MAX_FAULTS = 100_000


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion."""

    images: int
    """Number of images with a file in the new folder."""
    objects: int
    """Number of objects or segments in these files."""
    reading: str = ""
    """Description of how the category ids were read; empty if the names of labels decided."""
    notes: tuple[str, ...] = ()
    """Remarks on objects that were changed or left out, without being faulty."""
    skipped: tuple[str, ...] = ()
    """Messages on the faulty objects that were left out; empty unless that was asked for."""
    split: str = ""
    """Split that the images belong to; empty for annotations."""


class Faults:
    """Messages on faulty objects; after too many, the conversion ends."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, *messages: str) -> None:
        """Add messages.

        Raises:
            InputError: with all of them, if there are too many to continue.
        """
        self.messages += messages
        if len(self.messages) > _MAX_FAULTS:
            raise InputError(
                *grouped(self.messages, shown=_SHOWN), f"stopped after {_MAX_FAULTS:,} faults; correct these first"
            )

    def settled(self, *, skip: bool) -> tuple[str, ...]:
        """The faults as messages for the result, if faulty objects may be skipped.

        Raises:
            InputError: with all faults, if there are any and they may not be skipped.
        """
        messages = tuple(grouped(self.messages, shown=_SHOWN))
        if messages and not skip:
            raise InputError(*messages)
        return messages


@contextmanager
def new_folder(new: Path, *sources: Path) -> Iterator[Path]:
    """Context with a temporary folder, which gets the name `new` at its end, or is removed after an error.

    Args:
        new: folder to write; it must not exist, or be empty.
        sources: files and folders that are read; `new` must not be inside one of them.

    Raises:
        InputError: if the new folder has files already, is inside a source, or cannot be written.
    """
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise InputError(f"{new}: already exists; choose a new folder, because existing files are never changed")
    for source in sources:
        if source.is_dir() and new.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{new}: is inside {source}, which is only read; choose a new folder outside it")
    require_writable(new.parent)
    part = new.with_name(f".{new.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        yield part
        part.replace(new)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, InputError):  # the user knows only the name of the new folder
            raise InputError(*(message.replace(str(part), str(new)) for message in error.messages)) from error
        raise
