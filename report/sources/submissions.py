"""Archive of a submission -> its record, from the manifest and the record of a check next to it."""

from datetime import datetime
from pathlib import Path
from typing import Any

from engine.files.atomic import sha256
from engine.files.documents import read_json
from report.records import Submission, SubmissionState
from report.sources.discovery import CHECK, MANIFEST
from report.sources.plain import MAX_JSON_BYTES, mapping, plain, text

_ARCHIVES = (".zip", ".tar.gz", ".tgz")
"""Ends of the names of archives, which VOC and KITTI Road have without a manifest."""
_MAX_HASHED = 1 << 28
"""Largest archive in bytes that is hashed again, in half a second; of larger ones size and time are compared."""
_STATES: dict[str, SubmissionState] = {"ok": "ready", "not official": "not official", "faults": "faults"}
"""Result of a check -> state of the archive."""


def archives(names: set[str]) -> list[str]:
    """Names of the archives among the files of a result folder, also of those that only a record is left of."""
    listed = {name for name in names if name.endswith(_ARCHIVES)}
    records = (name.removesuffix(end) for name in names for end in (MANIFEST, CHECK) if name.endswith(end))
    return sorted({*listed, *records})


def read(archive: Path) -> Submission:
    """The submission of an archive, by the newer one of its manifest and its `.check.json`.

    Raises:
        InputError: if one of them cannot be read.
        TypeError: if its content is of another form.
    """
    size = archive.stat().st_size if archive.is_file() else None
    manifest, check = (_document(archive.with_name(f"{archive.name}{end}")) for end in (MANIFEST, CHECK))
    records = [record for record in (manifest, check) if "zip" in record]
    if not records:
        state: SubmissionState = "missing" if size is None else "unchecked"
        return Submission(archive, size, None, "", _verdict(state, ""), (), {}, state)
    record = max(records, key=lambda of: _time(of) or "")
    checked, zipped = mapping(record.get("checked") or {}), mapping(record["zip"])
    digest = text(plain(zipped.get("sha256")))
    deviation = text(plain(record.get("deviation")))
    state = _state(archive, size, record)
    return Submission(
        path=archive,
        bytes=size,
        sha256=digest or None,
        checked=_time(record),
        verdict=_verdict(state, text(plain(checked.get("verdict")))),
        faults=_texts(checked.get("faults")),
        made_with=mapping(plain(manifest.get("made_with") or {})) if _same(manifest, digest) else {},
        state=state,
        task=text(plain(checked.get("task"))),
        deviation=deviation,
        warnings=_texts(checked.get("warnings")),
    )


def _document(path: Path) -> dict[str, Any]:
    """The content of a manifest or record; empty if there is none."""
    return mapping(read_json(path, MAX_JSON_BYTES)) if path.exists() else {}


def _same(manifest: dict[str, Any], digest: str) -> bool:
    """Whether a manifest is of the archive with this hash."""
    return bool(manifest) and mapping(manifest.get("zip") or {}).get("sha256") == digest


def _state(archive: Path, size: int | None, record: dict[str, Any]) -> SubmissionState:
    """The state of an archive that was checked, unless it is not the recorded one any more."""
    if size is None:
        return "missing"
    zipped, checked = mapping(record["zip"]), mapping(record.get("checked") or {})
    if size != zipped.get("bytes") or not _is_unchanged(archive, size, text(zipped.get("sha256")), _time(record)):
        return "changed"
    if not checked:  # written before checks were recorded; only archives without a fault were packed
        return "ready" if record.get("official_test_set") is True else "not official"
    return _STATES.get(text(checked.get("result")), "unchecked")


def _is_unchanged(archive: Path, size: int, digest: str, checked: str) -> bool:
    """Whether an archive of the recorded size has the recorded hash, or, if it is large, is older than its check.

    Raises:
        InputError: if it cannot be read, because that says nothing about a change.
    """
    if size <= _MAX_HASHED:
        return sha256(archive) == digest
    try:
        return archive.stat().st_mtime < datetime.fromisoformat(checked).timestamp()
    except (ValueError, OverflowError):
        return False


def _time(record: dict[str, Any]) -> str:
    """Date and time of a check in UTC; empty if it is not recorded."""
    checked = record.get("checked")
    return text(plain(checked.get("time"))) if isinstance(checked, dict) else ""


def _texts(content: Any) -> tuple[str, ...]:
    """A list of texts; empty for anything else."""
    return tuple(text(of) for of in plain(content) if text(of)) if isinstance(content, list) else ()


def _verdict(state: SubmissionState, recorded: str) -> str:
    """The check in a sentence."""
    if state == "missing":
        return "there is no archive of this name; only its record is left"
    if state == "changed":
        return "this is another file than the one that was checked"
    if state == "unchecked":
        return "not recorded: check it before the upload"
    default = {"ready": "one prediction for each official test image", "not official": "not for the server"}
    return recorded or default.get(state, "the server would refuse it")
