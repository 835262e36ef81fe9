"""Predictions of the test set -> a zip that the evaluation server accepts."""

from cityscapes.submission.checking import Report, check, pack
from cityscapes.submission.commands import main
from cityscapes.submission.fixing import Fixed, fix

__all__ = ["Fixed", "Report", "check", "fix", "main", "pack"]
