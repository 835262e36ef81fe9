"""Zips that are byte-identical for the same files."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from engine.errors import InputError
from engine.files.atomic import replacing


def write_zip(archive: Path, files: Iterable[tuple[str, bytes]], *, obsolete: Path | None = None) -> None:
    """Write files, given as name and content, into a zip in their order, without times, owners or compression.

    The zip is read back before it gets its name. Until then an older zip of that name stays.

    Args:
        archive: the zip.
        files: taken one at a time, so that only one needs to be in memory.
        obsolete: a file about the older zip, which is removed right before the new one takes its place.

    Raises:
        InputError: if the zip reads back differently.
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
        try:
            with zipfile.ZipFile(file.name) as packed:
                damaged = packed.testzip() or (None if packed.namelist() == names else "its listing")
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            damaged = f"the archive ({error})"
        if damaged is not None:
            what = f"{archive}: {damaged} reads back wrongly"
            raise InputError(f"{what}; check the disk, then run the same command again")
        if obsolete is not None:
            obsolete.unlink(missing_ok=True)
