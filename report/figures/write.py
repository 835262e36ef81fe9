"""All figures of a report, written into a folder."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.files.atomic import require_writable
from engine.findings import counted
from report.figures import (
    animations,
    class_charts,
    confusion_charts,
    curves,
    latency_charts,
    profile_charts,
    result_charts,
    scenes,
    tables,
)
from report.figures.folder import FigureFolder
from report.figures.groups import groups
from report.pictures import groups as pictures
from report.records import Report


def write(
    report: Report, contents: Mapping[str, Any], into: Path, *, wanted: Sequence[str] = (), workers: int = 1
) -> str:
    """Write all charts, tables and pictures that a report has data for, and an index.

    Args:
        report: runs and results.
        contents: content of the sections of the page, see `report.page.contents`.
        into: folder, which is made if it does not exist.
        wanted: names of the scenes of the qualitative grid; the three worst of the best run if empty.
        workers: number of processes that read pictures.

    Returns:
        A line to print.

    Raises:
        InputError: if the folder is not writable, or no result has a scene of these names.
    """
    require_writable(into)
    folder = FigureFolder(into)
    found = groups(report)
    pictured, faults = pictures.groups(report, sys.maxsize, workers)
    chosen = scenes.named(pictured, wanted)
    curves.write(report, folder)
    class_charts.write(report, found, folder)
    confusion_charts.write(found, folder)
    result_charts.write(report, found, folder)
    latency_charts.write(contents["overview"], folder)
    profile_charts.write(report, contents["run"]["networks"], folder)
    folder.draw_charts(workers)
    scenes.write(pictured, chosen, folder, workers)
    for fault in faults:
        folder.leave_out(f"Scenes of {fault.path}", fault.message)
    animations.write(pictured, folder)
    tables.write(report, contents, found, folder)
    folder.write_document()
    folder.write_index()
    left = f", {len(folder.left_out)} left out (see README.md there)" if folder.left_out else ""
    return f"{into}: {counted(folder.files, 'figure')}{left}"
