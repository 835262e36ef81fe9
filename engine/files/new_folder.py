"""A new folder for results, which gets its name when it is complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import remove_unfinished_folder, require_writable


def require_new(path: Path, new: Path) -> None:
    """Check that results made from `path` can be written to the folder `new`.

    Raises:
        InputError: if it has files, if it is inside `path`, or if it cannot be written.
    """
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise InputError(f"{new}: already exists; choose a new folder, because existing files are never changed")
    if path.is_dir() and new.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{new}: is inside {path}, which is only read; choose a new folder outside it")
    require_writable(new.parent)


@contextmanager
def complete_folder(new: Path) -> Iterator[Path]:
    """A temporary folder to write to, which is renamed when it is complete and removed after an error."""
    part = new.with_name(f".{new.name}.{os.getpid()}.part")
    remove_unfinished_folder(new)
    try:
        part.mkdir(parents=True)
        yield part
        part.replace(new)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, InputError):  # the user knows only the name of the new folder
            raise InputError(*(message.replace(str(part), str(new)) for message in error.messages)) from error
        raise
