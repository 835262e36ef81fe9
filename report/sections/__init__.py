"""Sections of the page: each is a template, a script, a style sheet, and the data that they show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from report.pictures.collect import Pictures
from report.records import Report
from report.sections import comparison, overview, pictures, run, submission


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Its files are `templates/<name>.html`, `assets/<name>.js` and `assets/<name>.css`, and any `assets/<name>_*.js` and
    `assets/<name>_*.css`, which follow in the order of their names.
    """

    name: str
    """Name of the section, which is also its anchor and its key in the data of the page."""
    title: str
    data: Callable[[Report, Pictures], Any]
    """Function that makes the JSON content of the section, for its template, where it is `data`, and its script."""


SECTIONS = (
    Section("overview", "Overview", overview.data),
    Section("run", "One run", run.data),
    Section("pictures", "Pictures", pictures.data),
    Section("comparison", "Comparison", comparison.data),
    Section("submission", "Submission and agreement", submission.data),
)
