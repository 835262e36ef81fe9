"""Records of checks: the time, the verdict and every finding, as JSON content.

The manifest of a zip has one under `checked`, and `python -m cityscapes.submission check --output FILE` writes one.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cityscapes.submission.report import Report
from cityscapes.tasks import Task
from engine.errors import InputError
from engine.files.atomic import sha256
from engine.findings import counted

Result = Literal["ok", "not official", "faults"]
"""Result of a check: ready for the server, of images that are not the official test set, or refused by the server."""


def record_of(report: Report, task: Task) -> dict[str, Any]:
    """The record of a check that has just ended: time, task, result, verdict, predictions, faults and warnings.

    `time` is UTC, for example `2026-11-28T12:50:31Z`. `verdict` is a sentence without a path.
    """
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "task": task,
        "result": _result(report),
        "verdict": _verdict(report),
        "predictions": report.predictions,
        "faults": [str(finding) for finding in report.faults],
        "warnings": [str(finding) for finding in report.warnings],
    }


def zip_of(path: Path) -> dict[str, Any]:
    """Name, size and sha256 of a zip, by which a later reader sees whether it is still the same."""
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}


def file_of(path: Path, about: dict[str, Any] | None, report: Report, task: Task) -> dict[str, Any]:
    """The content of `check --output FILE`, which has the keys of a manifest.

    Args:
        path: the folder or zip that was checked.
        about: `zip_of` before the check; None for a folder.
        report: of the check.
        task: of the predictions.
    """
    return {
        **({"folder": path.name} if about is None else {"zip": about}),
        "official_test_set": not report.deviation,
        "deviation": report.deviation,
        "checked": record_of(report, task),
    }


def require_outside(output: Path, checked: Path) -> None:
    """Refuse an output file that would replace the checked zip, or be one more file of the checked folder.

    Raises:
        InputError: if it is that zip, or in that folder.
    """
    resolved = checked.resolve()
    if output.resolve() == resolved:
        raise InputError(f"--output {output}: is the zip to check; give a name such as {output}.check.json")
    if checked.is_dir() and output.resolve().is_relative_to(resolved):
        raise InputError(f"--output {output}: is in the folder to check; give a name outside {checked}")


def _result(report: Report) -> Result:
    if report.faults:
        return "faults"
    return "not official" if report.deviation else "ok"


def _verdict(report: Report) -> str:
    predictions = counted(report.predictions, "prediction")
    if report.faults:
        return f"{counted(len(report.faults), 'kind')} of fault in {predictions}"
    if report.deviation:
        return f"not for the server: {predictions}, one for each expected image, {report.content}"
    return f"ok: {predictions}, one for each test image, {report.content}"
