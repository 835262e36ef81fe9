"""Predictions of the test set -> a zip that the evaluation server accepts.

Each task has a package: `pixel`, `instance` and `panoptic`.
"""

from cityscapes.submission.commands import main
from cityscapes.submission.pixel.checking import check, pack
from cityscapes.submission.pixel.fixing import fix
from cityscapes.submission.report import FixReport, Report

__all__ = ["FixReport", "Report", "check", "fix", "main", "pack"]
