"""`python -m report`: one page of runs, scores, pictures and profiles."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine.cli.command import command
from engine.cli.options import names, require_output_file, tool_parser
from engine.cli.parser import add_workers, within
from engine.errors import InputError, printable
from engine.files.atomic import require_writable, write_text
from engine.findings import counted
from engine.ranges import Range
from report import page
from report.pictures import collect as pictures_of
from report.records import Fault
from report.sources import collect as sources

_SCENES = Range(0, 100_000)
_MEGABYTES = Range(1, 1000)
_TOLD = 10
"""Largest number of faults that are printed."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, and figures if requested."""
    chosen = _parser().parse_args(argv)
    if missing := [folder for folder in chosen.folders if not folder.exists()]:
        raise InputError(*(f"{folder}: no such folder; give folders of runs and results" for folder in missing))
    if chosen.root is not None and not chosen.root.is_dir():
        raise InputError(f"--root {chosen.root}: no such folder; give the folder of the data set")
    if chosen.scenes and chosen.figures is None:
        raise InputError("--scenes chooses scenes for figures; give --figures DIR too")
    require_output_file(chosen.output, "report.html")
    if chosen.figures is not None:
        require_writable(chosen.figures)
    report = sources.collect(chosen.folders, chosen.root)
    max_bytes = chosen.megabytes * 1_000_000
    pictures = pictures_of.collect(report, most=chosen.pictures, max_bytes=max_bytes, workers=chosen.workers)
    contents = page.contents(report, pictures)
    write_text(chosen.output, page.render(report, pictures, chosen.title, contents))
    print(f"{chosen.output}: {counted(len(report.runs), 'run')}, {counted(len(report.results), 'result')}")
    faults = page.faults(report, pictures)
    _tell(faults)
    if not (report.runs or report.agreements or report.profiles or faults):
        searched = ", ".join(map(str, chosen.folders))
        expected = "expected runs of train_fcn.py, results of test_fcn.py, or JSON files of a scorer"
        print(printable(f"note: no run or result in {searched}; {expected}"), file=sys.stderr)
    if chosen.figures is not None:
        from report.figures.write import write  # imported late, because Matplotlib and pandas take a second

        print(write(report, contents, chosen.figures, wanted=chosen.scenes, workers=chosen.workers))
    print(f"next: open {chosen.output} in a browser")
    return 0


def _tell(faults: Sequence[Fault]) -> None:
    """Print on stderr what the page does not show, or only in part."""
    for fault in faults[:_TOLD]:
        print(printable(f"note: not shown, or only in part: {fault.path}: {fault.message}"), file=sys.stderr)
    if len(faults) > _TOLD:
        print(f"note: and {len(faults) - _TOLD} more; the page lists them at its top", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "report",
        "Write one self-contained HTML page of runs, scores, pictures, profiles and submissions.",
        [
            "python -m report saved outputs --output outputs/report.html",
            "python -m report saved outputs --root /data/cityscapes --pictures 100",
            "python -m report saved outputs --figures outputs/figures",
        ],
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folders of runs and results")
    parser.add_argument("--output", type=Path, default=Path("outputs/report.html"), help="page (default: %(default)s)")
    parser.add_argument("--title", default="Runs and results", help="title of the page (default: %(default)s)")
    parser.add_argument(
        "--root", type=Path, help="folder of the data set, for pictures; by default the one recorded with predictions"
    )
    parser.add_argument(
        "--pictures",
        type=partial(within, _SCENES),
        default=500,
        metavar="N",
        help="largest number of scenes of a split to show, the worst first; 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--megabytes",
        type=partial(within, _MEGABYTES),
        default=28,
        metavar="MB",
        help="largest size of all pictures; they are reduced to fit (default: %(default)s)",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="DIR",
        help="also write charts as SVG and PDF, tables as LaTeX and Markdown, and pictures of scenes",
    )
    parser.add_argument(
        "--scenes",
        type=names,
        default=(),
        metavar="NAME,NAME",
        help="scenes of the qualitative grid in --figures; by default the three worst of the best run",
    )
    add_workers(parser)
    return parser
