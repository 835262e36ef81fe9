"""Predictions of the test set -> a zip that the evaluation server accepts."""

from cityscapes.submission.checking import Report, check, pack
from cityscapes.submission.commands import main
from cityscapes.submission.fixing import FixReport, fix

__all__ = ["FixReport", "Report", "check", "fix", "main", "pack"]
