"""Predictions of the test set -> a zip that the evaluation server accepts.

Each task has a package: `pixel`, `instance` and `panoptic`.
"""

from cityscapes.submission.commands import main
from cityscapes.submission.report import FixReport, Report
from cityscapes.submission.tasks import check, fix, pack

__all__ = ["FixReport", "Report", "check", "fix", "main", "pack"]
