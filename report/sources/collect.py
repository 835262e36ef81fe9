"""The records below some folders."""

from collections.abc import Sequence
from pathlib import Path

from report.records import Report


def collect(folders: Sequence[Path], root: Path | None) -> Report:
    """Find and read all runs, results, profiles, submissions and agreements below folders.

    Args:
        folders: to search at any depth.
        root: folder of the data set, for results that do not record it; None if not given.
    """
    del folders, root
    return Report((), (), (), (), ())
