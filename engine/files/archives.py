"""Zip archives that are byte-identical for the same files."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.content import reading

_LISTING = 66_000
"""Bytes at the end of a zip that contain the offset of its central directory."""


def write_zip(
    archive: Path, files: Iterable[tuple[str, bytes]], *, complete: Callable[[Path], None] | None = None
) -> None:
    """Write files into a zip in the given order, without timestamps, owners or compression.

    The zip is read back before it replaces an older zip of that name.

    Args:
        archive: path of the zip.
        files: name and content of each file; taken one at a time, so that only one needs to be in memory.
        complete: called with the path of the complete zip before it gets its name; if it fails, the older zip stays.

    Raises:
        InputError: if the zip cannot be written, or is not what was written when it is read back.
    """
    names = []
    with replacing(archive) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:  # PNGs are compressed already
            for name, content in files:
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, 0o100644 << 16  # a plain file on Unix, on any system
                packed.writestr(info, content)
                names.append(name)
        file.flush()
        _require_equal(archive, Path(file.name), names)
        if complete is not None:
            complete(Path(file.name))


def _require_equal(archive: Path, part: Path, names: list[str]) -> None:
    """Read a zip back, and compare its checksums and names."""
    try:
        with zipfile.ZipFile(part) as packed:
            damaged = packed.testzip()
            if damaged is None and packed.namelist() != names:
                damaged = "its listing"
    except (OSError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        damaged = f"the archive ({error})"
    if damaged is not None:
        what = f"{archive}: {damaged} is damaged when it is read back; an older file of that name is kept"
        raise InputError(f"{what}; check the disk, then run the same command again")


def require_readable(archive: Path) -> None:
    """Read the end of a zip with its central directory, because `zipfile` takes a failing disk for another file type.

    Raises:
        InputError: if it is not a regular file, or cannot be read.
    """
    with reading(archive) as file:
        file.seek(-min(archive.stat().st_size, _LISTING), os.SEEK_END)
        file.read()
