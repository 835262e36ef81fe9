"""Lock for a folder of results: one command at a time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from engine.errors import InputError

_PATIENCE = 10.0
"""Seconds to wait for the lock, because the processes of a killed command may take a moment to end."""


@contextmanager
def exclusive(folder: Path, remedy: str, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Keep other commands out of a folder, which must exist, by a lock on the file `.lock` in it.

    The system releases the lock when the process ends, however it ends. Without locks in the file system there is only
    a note on stderr.

    Args:
        folder: to lock.
        remedy: what to do if another command holds the lock.
        patience: seconds to wait for the lock.

    Raises:
        InputError: if another command holds the lock.
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
