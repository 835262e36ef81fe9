"""Predictions of the test set -> a zip that the evaluation server accepts."""

from cityscapes.submission.checking import Report, check, pack
from cityscapes.submission.commands import main
from cityscapes.submission.mending import Mended, fix

__all__ = ["Mended", "Report", "check", "fix", "main", "pack"]
