"""Atomic writes: a file is either complete, or not there."""

import errno
import glob
import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from engine.errors import InputError
from engine.files.content import reading


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a binary file that gets the name `path` once it is completely written (atomic replacement).

    Until then it is a temporary file `.<name>.<process id>.part` in the same folder, so that a killed process leaves
    neither a partial file nor a damaged older one. `durable` also waits until the disk has stored it (fsync).

    Raises:
        InputError: if it cannot be written, for example on a full disk; an older file of that name is unchanged.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        # torch.save raises a RuntimeError after a failed write.
        origin = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(origin, OSError) and origin.filename in (None, *map(os.fspath, (part, path.parent))):
            raise InputError(
                f"{path}: cannot write it ({origin.strerror}); an older file of that name is kept. "
                f"{_remedy(origin)}, then run the same command again"
            ) from error
        raise


def _part_of(path: Path) -> Path:
    """Path of the temporary file of this process."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Make room on that disk, or raise the quota or limit"
    if error.errno == errno.ENAMETOOLONG:
        return "Give a shorter name"
    return "Check the permissions of its folder and the disk"


def remove_unfinished(path: Path) -> None:
    """Remove temporary files that killed processes left of a file, see `replacing`; running processes keep theirs."""
    _remove_files(path.parent, glob.escape(path.name))


def remove_unfinished_folder(path: Path) -> None:
    """Remove temporary folders that killed processes left of a folder, see `new_folder.complete_folder`."""
    for part in _left(path.parent, glob.escape(path.name)):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)


def remove_all_unfinished(folder: Path) -> None:
    """Remove temporary files that killed processes left of all files in a folder, see `remove_unfinished`."""
    _remove_files(folder, "*")


def _remove_files(folder: Path, pattern: str) -> None:
    for part in _left(folder, pattern):
        if not part.is_dir():
            part.unlink(missing_ok=True)


def _left(folder: Path, pattern: str) -> Iterator[Path]:
    """Temporary files and folders of processes that have ended."""
    for part in folder.glob(f".{pattern}.*.part"):
        import psutil  # imported late, because most folders have no such file

        number = part.name.removesuffix(".part").rpartition(".")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            yield part


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a complete file, see `replacing`."""
    with replacing(path, durable=durable) as file:
        file.write(content)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write UTF-8 text, see `replacing`."""
    with replacing(path, durable=durable) as file:
        file.write(text.encode())


def write_json(path: Path, content: Any, *, durable: bool = False) -> None:
    """Write indented JSON, see `replacing`; NaN and infinity, which JSON lacks, become null."""
    write_text(path, json.dumps(strict(content), indent=2, allow_nan=False) + "\n", durable=durable)


def set_aside(path: Path) -> Path:
    """Rename a damaged file to a free name, so that another file can get its name; return the new path."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
    free = next(name for name in names if not os.path.lexists(name))
    path.rename(free)
    return free


def strict(content: Any) -> Any:
    """JSON content with None instead of NaN and infinity."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: strict(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [strict(value) for value in content]
    return content


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    import hashlib

    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_writable(folder: Path) -> None:
    """Create a folder, and check that files can be written there before hours of work depend on it.

    Raises:
        InputError: if it cannot be created or written to.
    """
    probe = folder / f".writable.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{folder}: cannot write here ({error.strerror}); choose another output folder or change its permissions"
        ) from error


def require_writable_file(path: Path) -> None:
    """Check that a file can be written before hours of work depend on it; an existing file is not changed.

    Raises:
        InputError: if its folder cannot be created or written to, or its name is too long.
    """
    require_writable(path.parent)
    part = _part_of(path)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot write it ({error.strerror}); give another name") from error
    remove_unfinished(path)
