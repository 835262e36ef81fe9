"""One command at a time in a folder of results."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from engine.errors import InputError

_PATIENCE = 10.0
"""Seconds to wait: the processes of a command that was just killed may take a moment to end."""


@contextmanager
def exclusive(folder: Path, remedy: str, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Keep other commands out of a folder, which must exist, by a lock on the file `.lock` in it.

    The system gives the lock free when the process ends, however it ends. File systems without locks are used without.

    Args:
        folder: of results.
        remedy: what to do if another command has it.
        patience: seconds to wait for it.

    Raises:
        InputError: if another command has it.
    """
    lock = filelock.FileLock(folder / ".lock", timeout=patience)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(f"{folder}: another command is working in this folder; wait for it, or {remedy}") from error
    except (OSError, NotImplementedError) as error:
        print(f"note: {folder}: no lock here ({error}); start no second command in this folder", file=sys.stderr)
    try:
        yield
    finally:
        lock.release()
