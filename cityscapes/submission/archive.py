"""Checked predictions -> a reproducible zip, and a manifest of its files."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files.archives import write_zip
from engine.files.atomic import replacing, sha256, strict
from engine.files.content import read_bytes


def manifest_of(archive: Path) -> Path:
    """Path of the manifest of a zip."""
    return archive.with_name(f"{archive.name}.manifest.json")


def write(
    folder: Path,
    digests: Mapping[str, str],
    archive: Path,
    made_with: Mapping[str, Any],
    deviation: str,
    checked: Mapping[str, Any],
) -> None:
    """Zip files of a folder under their names, in this order, and write the manifest next to the zip.

    Both are written completely, and the zip is read back, before either gets its name. The older manifest is removed
    before the new zip replaces the older one, so that a manifest always belongs to the zip next to it.

    Args:
        folder: the folder of the files.
        digests: paths within the folder, with `/` -> sha256 of each file when it was checked.
        archive: path of the zip, which is replaced if it exists.
        made_with: JSON content for the manifest, for example hash of the weights, options and commit.
        deviation: differences between the predicted images and the official test set; empty if there are none.
        checked: record of the check of the files, see `record.record_of`.

    Raises:
        InputError: if a file cannot be read or has changed since it was checked, or if the zip cannot be written or
            reads back wrongly. The older zip and its manifest are kept in that case.
    """

    def contents() -> Iterator[tuple[str, bytes]]:
        for name, digest in digests.items():
            content = read_bytes(folder / name)
            if hashlib.sha256(content).hexdigest() != digest:
                raise InputError(
                    f"{folder / name}: has changed since it was checked; pack again when no process writes to it"
                )
            yield name, content

    manifest = manifest_of(archive)
    with replacing(manifest) as listing:

        def complete(zipped: Path) -> None:
            about = {"name": archive.name, "bytes": zipped.stat().st_size, "sha256": sha256(zipped)}
            content = {
                "zip": about,
                "official_test_set": not deviation,
                "deviation": deviation,
                "checked": dict(checked),
                "made_with": dict(made_with),
                "files": dict(digests),
            }
            listing.write((json.dumps(strict(content), indent=2, allow_nan=False) + "\n").encode())
            listing.flush()
            manifest.unlink(missing_ok=True)

        write_zip(archive, contents(), complete=complete)
