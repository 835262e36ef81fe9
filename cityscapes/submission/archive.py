"""Checked predictions -> a zip that is the same for the same files, and a manifest of what is in it."""

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
    """Where the manifest of a zip lies."""
    return archive.with_name(f"{archive.name}.manifest.json")


def write(
    folder: Path, digests: Mapping[str, str], archive: Path, made_with: Mapping[str, Any], deviation: str = ""
) -> None:
    """Zip files of a folder under their names, in this order, and write the manifest beside the zip.

    Both are written completely and read back before either gets its name. The older manifest is removed before the new
    zip takes its place, so that no manifest ever lies beside another zip.

    Args:
        folder: where the files are.
        digests: their paths below it, with `/`, and the sha256 that each had when it was checked.
        archive: the zip; replaced if it exists.
        made_with: goes into the manifest as it is.
        deviation: how the predicted images differ from the official test set; empty if they do not.

    Raises:
        InputError: if a file cannot be read or has changed since it was checked, or the zip cannot be written or reads
            back wrongly; then the older zip and its manifest are still there.
    """

    def contents() -> Iterator[tuple[str, bytes]]:
        for name, digest in digests.items():
            content = read_bytes(folder / name)
            if hashlib.sha256(content).hexdigest() != digest:
                raise InputError(
                    f"{folder / name}: has changed since it was checked; pack again when nothing writes here"
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
                "made_with": dict(made_with),
                "files": dict(digests),
            }
            listing.write((json.dumps(strict(content), indent=2, allow_nan=False) + "\n").encode())
            listing.flush()
            manifest.unlink(missing_ok=True)

        write_zip(archive, contents(), complete=complete)
