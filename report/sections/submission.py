"""Section with the archives for evaluation servers, and the agreement of drawn and official masks."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import printable
from report.pictures.collect import Pictures
from report.records import Agreement, AgreementRow, Report, Result, Submission, SubmissionState

_BADGES: dict[SubmissionState, tuple[str, str, str]] = {
    "ready": ("good", "✓", "ready for the server"),
    "not official": ("warn", "▲", "not the full test set"),
    "faults": ("warn", "✗", "faults"),
    "unchecked": ("warn", "?", "not checked"),
    "changed": ("warn", "≠", "changed after the check"),
    "missing": ("warn", "∅", "archive missing"),
}
"""State of an archive -> class, sign and text of its badge."""
_MOST_IMAGES = 20
"""Number of images listed, those with the most differing pixels."""
_LABELS = {"weights_sha256": "weights (SHA-256)", "memory_budget": "memory budget (MiB)"}
"""Names of settings that are not clear by themselves."""


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """The archives with their checks, and the agreement by label and of the worst images."""
    return {
        "archives": [
            _archive(run.name, result, result.submission)
            for run in report.runs
            for result in run.results
            if result.submission is not None
        ],
        "agreements": [_agreement(agreement) for agreement in report.agreements],
    }


def _archive(run: str, result: Result, submission: Submission) -> dict[str, Any]:
    kind, sign, badge = _BADGES[submission.state]
    name = printable(submission.path.name)
    return {
        "run": run,
        "result": result.key,
        "name": name,
        "bytes": submission.bytes,
        "size": None if submission.bytes is None else _size(submission.bytes),
        "sha256": submission.sha256,
        "kind": kind,
        "sign": sign,
        "badge": badge,
        "checked": _time(submission.checked),
        "verdict": submission.verdict,
        "task": submission.task,
        "deviation": submission.deviation,
        "faults": list(submission.faults),
        "warnings": list(submission.warnings),
        "commit": _known(submission.made_with.get("commit")),
        "weights": _known(submission.made_with.get("weights_sha256")),
        "made_with": [[_LABELS.get(name, name.replace("_", " ")), _text(of)] for name, of in _settings(submission)],
        "advice": _advice(submission.state, name, result.benchmark),
    }


def _known(value: Any) -> str:
    """A text; empty if it is missing or something else."""
    return value if isinstance(value, str) else ""


def _settings(submission: Submission) -> Iterable[tuple[str, Any]]:
    """Commit and weights first, then the other settings."""
    first = [name for name in ("commit", "weights_sha256") if name in submission.made_with]
    others = [name for name in submission.made_with if name not in first]
    return ((name, submission.made_with[name]) for name in (*first, *others))


def _text(value: Any) -> str:
    """A setting as text."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(of)}" for name, of in value.items())
    return str(value)


def _advice(state: SubmissionState, name: str, benchmark: str) -> str:
    """The next step, as a sentence; commands are between backquotes."""
    again = f"`python -m cityscapes.submission check {name} --output {name}.check.json`"
    if state == "ready":
        return "Upload it to the evaluation server."
    if state == "not official":
        return "It is for a demo or an experiment. For the server, predict the whole official test set."
    if state == "faults":
        return "Fix the predictions (`python -m cityscapes.submission fix`), or predict again, and pack them again."
    if state == "missing":
        return "Pack the predictions again, or remove its record."
    if benchmark not in ("", "cityscapes"):
        return "Pack the predictions again: this benchmark checks them while it packs, and keeps no record."
    return f"Check it in its folder: {again}."


def _time(checked: str) -> str:
    """Time of a check as people read it: `2026-11-28 12:50 UTC`."""
    return f"{checked[:10]} {checked[11:16]} UTC" if checked.endswith("Z") and len(checked) == 20 else checked


def _size(number: int) -> str:
    """A size in decimal units, for example `17.5 kB`."""
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{number} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def _agreement(agreement: Agreement) -> dict[str, Any]:
    total = next(iter(agreement.rows), None)
    labels = [row for row in agreement.rows if row.kind == "label" and row.pixels]
    images = [row for row in agreement.rows if row.kind == "image"]
    differing = sorted((row for row in images if row.differing), key=lambda row: (-row.differing, row.name))
    return {
        "name": _shown(agreement.path),
        "total": None if total is None else _row(total),
        "labels": [_row(row) for row in sorted(labels, key=lambda row: -row.differing / row.pixels)],
        "images": len(images),
        "differing_images": len(differing),
        "worst": [_row(row) for row in differing[:_MOST_IMAGES]],
    }


def _row(row: AgreementRow) -> dict[str, Any]:
    inner = row.pixels - row.boundary
    return {
        "name": row.name,
        "pixels": row.pixels,
        "differing": row.differing,
        "boundary": row.boundary,
        "at_boundary": row.boundary_differing,
        "agreement": _share(row.pixels - row.differing, row.pixels),
        "boundary_agreement": _share(row.boundary - row.boundary_differing, row.boundary),
        "inner_agreement": _share(inner - row.differing + row.boundary_differing, inner),
        "per_million": 1e6 * row.differing / row.pixels if row.pixels else None,
        "per_million_at_boundary": 1e6 * row.boundary_differing / row.pixels if row.pixels else None,
    }


def _share(part: int, whole: int) -> str:
    """A share in percent that is 100 only if all of it is meant: `99.99987`."""
    if not whole:
        return "-"
    if part == whole:
        return "100"
    for digits in range(2, 9):
        text = f"{100 * part / whole:.{digits}f}"
        if not text.startswith("100"):
            return text
    return "more than 99.9999999"


def _shown(path: Path) -> str:
    """A path as the user gave it; of an absolute one its last parts."""
    return path.as_posix() if not path.is_absolute() else "/".join(path.parts[1:][-3:])
