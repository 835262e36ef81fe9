"""Lock for a folder or file of results: one command at a time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import InputError

PATIENCE = 10.0
"""Seconds to wait for the lock, because the processes of a killed command may take a moment to end."""


@contextmanager
def exclusive(path: Path, remedy: str, *, patience: float | None = None) -> Iterator[None]:
    """Keep other commands out of a folder, which must exist, or away from a file, by a lock.

    The lock is on the file `.lock` in the folder, or on `.<name>.lock` next to the file. The system releases the lock
    when the process ends, however it ends. Without locks in the file system there is only a note on stderr.

    Args:
        path: folder or file to lock.
        remedy: what to do if another command holds the lock.
        patience: seconds to wait for the lock, by default PATIENCE.

    Raises:
        InputError: if another command holds the lock.
    """
    import filelock  # imported late, because its import takes longer than drawing a mask

    is_folder = path.is_dir()
    with suppress(OSError):  # the later write reports the error
        path.parent.mkdir(parents=True, exist_ok=True)
    file = path / ".lock" if is_folder else path.with_name(f".{path.name}.lock")
    lock = filelock.FileLock(file, timeout=PATIENCE if patience is None else patience)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        work = "working in this folder" if is_folder else "writing this file"
        raise InputError(f"{path}: another command is {work}; wait for it, or {remedy}") from error
    except (OSError, NotImplementedError) as error:
        print(f"note: {path}: no lock here ({error}); start no second command for this path", file=sys.stderr)
    try:
        yield
    finally:
        lock.release()
