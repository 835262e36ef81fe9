"""Files that are either whole or not there."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from engine.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write says to a disk, quota or file that takes no more."""


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the name `path` only once it is completely written.

    Until then it lies beside it as `.<name>.<process id>.part`, so that a killed process leaves neither
    half a file nor a damaged older one. `durable` also waits until the disk has it.

    Raises:
        InputError: if it cannot be written, as on a full disk; what had that name before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        # torch.save raises an error of its own after a failed write.
        origin = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(origin, OSError) and origin.filename is None and origin.errno in _FULL:
            raise InputError(
                f"{path}: cannot write it ({origin.strerror}); what was there before is kept. "
                "Make room on that disk, then run the same command again"
            ) from error
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file at once, see `replacing`."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, see `replacing`."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_writable(folder: Path) -> None:
    """Create a folder and prove that files can be written there, before hours of work depend on it.

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
