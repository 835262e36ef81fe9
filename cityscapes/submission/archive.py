"""Checked predictions -> a zip that is the same for the same files, and a manifest of what is in it."""

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files.atomic import replacing, write_json


def manifest_of(archive: Path) -> Path:
    """Where the manifest of a zip lies."""
    return archive.with_name(f"{archive.name}.manifest.json")


def write(folder: Path, names: Sequence[str], archive: Path, made_with: Mapping[str, Any]) -> None:
    """Zip files under their names, sorted, without times and owners; then write the manifest beside it.

    The zip is read back before it gets its name. `made_with` goes into the manifest as it is.

    Raises:
        InputError: if the zip reads back wrongly.
    """
    hashes = {}
    with replacing(archive) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:  # PNGs do not get any smaller
            for name in names:
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, 0o100644 << 16
                content = (folder / name).read_bytes()
                hashes[name] = hashlib.sha256(content).hexdigest()
                packed.writestr(info, content)
        file.flush()
        _read_back(Path(file.name), names, archive)
        manifest_of(archive).unlink(missing_ok=True)  # that of an older zip must not outlive it
    with archive.open("rb") as file:
        whole = hashlib.file_digest(file, "sha256").hexdigest()
    zipped = {"name": archive.name, "bytes": archive.stat().st_size, "sha256": whole}
    write_json(manifest_of(archive), {"zip": zipped, "made_with": dict(made_with), "files": hashes})


def _read_back(part: Path, names: Sequence[str], archive: Path) -> None:
    with zipfile.ZipFile(part) as packed:
        damaged = packed.testzip()
        if damaged is not None or packed.namelist() != list(names):
            what = damaged or "its listing"
            raise InputError(f"{archive}: {what} reads back wrongly; is the disk full or failing?")
