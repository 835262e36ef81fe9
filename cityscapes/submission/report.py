"""Results of checking and fixing a submission, for all tasks."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cityscapes.layout import IMAGES
from engine.cli.submission import next_line
from engine.errors import InputError
from engine.findings import Finding, counted

Ids = Literal["auto", "train", "label"]
"""Kind of the ids to fix; auto decides by evidence."""

HARMLESS = "harmless, because the server ignores them; `python -m cityscapes.submission pack` leaves them out"
"""Remedy of notes on files other than predictions."""


@dataclass(frozen=True)
class Report:
    """Result of a check."""

    predictions: int
    """Number of predictions that the server would read: PNG files, or text files, or images in the JSON file."""
    faults: tuple[Finding, ...]
    """Reasons why the server would refuse the submission or score it wrongly; empty if there are none."""
    warnings: tuple[Finding, ...]
    """Findings that do not prevent a submission."""
    deviation: str = ""
    """Differences in number and size between the expected images and the official test set; empty if there are none.

    The server would refuse predictions of other images; they are for demos and experiments."""
    content: str = "all of label ids"
    """Description of the predictions for the verdict."""

    @property
    def ok(self) -> bool:
        """Whether there is no fault; the images may still differ from the official test set."""
        return not self.faults

    def verdict(self, root: Path | None) -> str:
        """The result in one line, with every deviation from the official test set."""
        predictions = counted(self.predictions, "prediction")
        if not self.deviation or root is None:
            return f"ok: {predictions}, one for each test image, {self.content}"
        return (
            f"not for the server: {predictions}, one for each image of {root / IMAGES / 'test'}, {self.content}; "
            f"that is not the official test set: {self.deviation}"
        )

    def next_step(self, usual: str) -> str:
        """The line that suggests the next step: `usual`, unless the images deviate."""
        return next_line(self.deviation, usual, "test images of leftImg8bit_trainvaltest.zip")


@dataclass(frozen=True)
class FixReport:
    """Result of a fix."""

    predictions: int
    """Number of predictions written."""
    changes: dict[str, int]
    """Description of a change -> number of files."""
    remaining: tuple[Finding, ...]
    """Faults that only other predictions can fix; empty if the images are not known."""
    split: str = "test"
    """Split that most predictions belong to."""


def messages(path: Path, findings: Sequence[Finding]) -> list[str]:
    """One line for each finding about a folder or zip."""
    return [f"{path}: {finding}" for finding in findings]


def refuse_to_fix(path: Path, findings: Sequence[Finding]) -> None:
    """Report faults that cannot be fixed with certainty, if there are any.

    Raises:
        InputError: with all of them, and the command that lists faults of later steps too.
    """
    if findings:
        every = shlex.join(["python", "-m", "cityscapes.submission", "check", str(path)])
        faults = (f"{path}: cannot be fixed: {finding}" for finding in findings)
        raise InputError(*faults, f"{path}: nothing was written; there may be more faults, listed by: {every}")
