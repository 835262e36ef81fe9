"""Checked predictions -> a zip that is the same for the same files, and a manifest of what is in it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.files.archives import write_zip
from engine.files.atomic import sha256, write_json


def manifest_of(archive: Path) -> Path:
    """Where the manifest of a zip lies."""
    return archive.with_name(f"{archive.name}.manifest.json")


def write(folder: Path, names: Sequence[str], archive: Path, made_with: Mapping[str, Any]) -> None:
    """Zip files of a folder under their names, in this order; then write the manifest beside the zip.

    `made_with` goes into the manifest as it is.

    Raises:
        InputError: if the zip reads back wrongly.
    """
    hashes = {}

    def contents() -> Iterator[tuple[str, bytes]]:
        for name in names:
            content = (folder / name).read_bytes()
            hashes[name] = hashlib.sha256(content).hexdigest()
            yield name, content

    manifest = manifest_of(archive)
    write_zip(archive, contents(), obsolete=manifest)
    zipped = {"name": archive.name, "bytes": archive.stat().st_size, "sha256": sha256(archive)}
    write_json(manifest, {"zip": zipped, "made_with": dict(made_with), "files": hashes})
