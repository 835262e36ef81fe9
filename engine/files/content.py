"""Reading of files: each error of a file or its disk becomes a message with the name of the file."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from engine.errors import InputError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file to read bytes from it.

    Raises:
        InputError: if there is no such file, if it is not a regular file (a folder, a pipe or a device, which might
            never end), and for each error of the system while it is open, for example of the disk.
    """
    with naming(path), open(_opened(path), "rb") as file:
        yield file


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Read a complete file, see `reading`.

    Args:
        path: of the file.
        most: number of bytes above which nothing is read.

    Raises:
        InputError: also if it has more.
    """
    with reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise InputError(f"{path}: got {size:,} bytes, expected at most {most:,}; write it again")
        return file.read()


def read_text(path: Path, most: int | None = None) -> str:
    """Read a complete file of UTF-8 text, see `read_bytes`.

    Raises:
        InputError: also if it is not UTF-8.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn OSErrors about a file, or about no particular file, into a message with the name of this file.

    Raises:
        InputError: instead of such an OSError.
    """
    try:
        yield
    except FileNotFoundError as error:
        if error.filename not in (None, os.fspath(path)):
            raise
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        if error.filename not in (None, os.fspath(path)):
            raise
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot read it ({reason}); check its permissions and the disk") from error


def _opened(path: Path) -> int:
    """Open a regular file and return its descriptor; opening a pipe does not wait for a writer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except ValueError as error:  # a null byte, or half of a surrogate pair, for example from a JSON file
        raise InputError(f"{str(path)!r}: no file can have this name; rename it") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = next((name for matches, name in _KINDS if matches(mode)), "another kind of file")
    raise InputError(f"{path}: got {kind}, expected a file; give a regular file")
