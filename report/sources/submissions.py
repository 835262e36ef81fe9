"""Archive of a submission -> its record, from the manifest next to it."""

from pathlib import Path
from typing import Any

from engine.files.documents import read_json
from report.records import Submission
from report.sources.discovery import MANIFEST
from report.sources.plain import MAX_JSON_BYTES, mapping, plain, text

_ARCHIVES = (".zip", ".tar.gz", ".tgz")
"""Ends of the names of archives, which VOC and KITTI Road have without a manifest."""


def archives(names: set[str]) -> list[str]:
    """Names of the archives among the files of a result folder, also of those that only a manifest is left of."""
    listed = {name for name in names if name.endswith(_ARCHIVES)}
    return sorted(listed | {name.removesuffix(MANIFEST) for name in names if name.endswith(MANIFEST)})


def read(archive: Path) -> Submission:
    """The submission of an archive.

    Raises:
        InputError: if its manifest cannot be read.
        TypeError: if its content is of another form.
    """
    manifest = archive.with_name(f"{archive.name}{MANIFEST}")
    size = archive.stat().st_size if archive.is_file() else None
    if not manifest.exists():
        verdict = "not recorded: this archive has no manifest; check it before the upload"
        return Submission(archive, size, None, "", verdict, (), {})
    content = mapping(read_json(manifest, MAX_JSON_BYTES))
    zipped = mapping(content.get("zip"))
    deviation = text(plain(content.get("deviation")))
    official = content.get("official_test_set") is True
    faults = [] if official or not deviation else [deviation]
    recorded = zipped.get("bytes")
    if size is None:
        faults.append(f"{archive.name}: no such file, although its manifest is there; pack the predictions again")
    elif size != recorded:
        faults.append(
            f"{archive.name}: got {size:,} bytes, expected the {recorded} of its manifest; pack the predictions again"
        )
    verdict = "one prediction for each official test image" if official else "not for the server"
    return Submission(
        path=archive,
        bytes=size,
        sha256=text(plain(zipped.get("sha256"))) or None,
        checked=_checked(content.get("checked")),
        verdict=verdict,
        faults=tuple(faults),
        made_with=mapping(plain(content.get("made_with", {}))),
    )


def _checked(content: Any) -> str:
    """Date and time of a check; empty if it is not recorded."""
    if isinstance(content, dict):
        content = next((content[key] for key in ("time", "at", "utc") if key in content), "")
    return text(plain(content))
