"""Zips that are byte-identical for the same files."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import replacing
from engine.files.content import reading

_LISTING = 66_000
"""Bytes at the end of a zip in which the place of its listing is."""


def write_zip(
    archive: Path, files: Iterable[tuple[str, bytes]], *, complete: Callable[[Path], None] | None = None
) -> None:
    """Write files, given as name and content, into a zip in their order, without times, owners or compression.

    The zip is read back before it gets its name. Until then an older zip of that name stays.

    Args:
        archive: the zip.
        files: taken one at a time, so that only one needs to be in memory.
        complete: gets the path of the complete zip right before it takes its name; where it fails, the older zip stays.

    Raises:
        InputError: if the zip cannot be written, or reads back differently.
    """
    names = []
    with replacing(archive) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:  # PNGs do not get any smaller
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
    """Read a zip back before it gets its name."""
    try:
        with zipfile.ZipFile(part) as packed:
            damaged = packed.testzip()
            if damaged is None and packed.namelist() != names:
                damaged = "its listing"
    except (OSError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        damaged = f"the archive ({error})"
    if damaged is not None:
        what = f"{archive}: {damaged} reads back wrongly, and what was there before is kept"
        raise InputError(f"{what}; check the disk, then run the same command again")


def require_readable(archive: Path) -> None:
    """Read the end of a zip, where its listing is: the library calls it no zip where in fact the disk fails.

    Raises:
        InputError: if it is no regular file, or cannot be read.
    """
    with reading(archive) as file:
        file.seek(-min(archive.stat().st_size, _LISTING), os.SEEK_END)
        file.read()
