"""All figures of a report, written into a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.files.atomic import require_writable
from engine.findings import counted
from report.figures import class_charts, curves, latency_charts, profile_charts, result_charts, style, tables
from report.figures.folder import FigureFolder
from report.figures.groups import groups
from report.records import Report


def write(
    report: Report, contents: Mapping[str, Any], into: Path, *, scenes: Sequence[str] = (), workers: int = 1
) -> str:
    """Write all charts, tables and pictures that a report has data for, and an index.

    Args:
        report: runs and results.
        contents: content of the sections of the page, see `report.page.contents`.
        into: folder, which is made if it does not exist.
        scenes: names of the scenes of the qualitative grid; the three worst of the best run if empty.
        workers: number of processes that read pictures.

    Returns:
        A line to print.

    Raises:
        InputError: if the folder is not writable, or no result has a scene of these names.
    """
    require_writable(into)
    folder = FigureFolder(into)
    found = groups(report)
    with style.applied():
        curves.write(report, folder)
        class_charts.write(found, folder)
        result_charts.write(report, found, folder)
        latency_charts.write(contents["overview"], folder)
        profile_charts.write(report, contents["run"]["networks"], folder)
    tables.write(contents, found, folder)
    folder.write_index()
    left = f", {len(folder.left_out)} left out (see README.md there)" if folder.left_out else ""
    return f"{into}: {counted(folder.files, 'figure')}{left}"
