"""`python -m cityscapes.submission check|fix|pack`."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cityscapes.submission import archive as archives
from cityscapes.submission.pixel.checking import check, pack
from cityscapes.submission.pixel.fixing import fix
from cityscapes.submission.report import FixReport, Report, messages
from engine.cli import command
from engine.cli.invocation import spelled
from engine.cli.options import tool_parser
from engine.cli.parser import add_workers
from engine.cli.submission import add_subset, packed
from engine.errors import InputError, printable
from engine.findings import Finding, counted

MODULE = "cityscapes.submission"
_UPLOAD = "upload {} at cityscapes-dataset.com"


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        MODULE,
        "Check predictions of the Cityscapes test set as the evaluation server does, fix them, and zip them.",
        [
            "python -m cityscapes.submission check outputs/fcn/test --root data",
            "python -m cityscapes.submission check submission.zip",
            "python -m cityscapes.submission fix outputs/old outputs/new",
            "python -m cityscapes.submission pack outputs/fcn/test submission.zip --root data",
            "python -m cityscapes.submission pack outputs/fcn/test demo.zip --root data/demo --subset",
        ],
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|fix|pack")
    checking = actions.add_parser(
        "check", help="list every fault of a folder or zip", description="List every fault of a folder or zip."
    )
    checking.add_argument("path", type=Path, metavar="PATH", help="folder or zip of label-id PNGs")
    fixing = actions.add_parser("fix", help="write a fixed copy", description="Write a fixed copy to a new folder.")
    fixing.add_argument("path", type=Path, metavar="PATH", help="folder or zip of PNGs, which is only read")
    fixing.add_argument("new", type=Path, metavar="NEW", help="new folder to write to")
    fixing.add_argument(
        "--ids",
        choices=("auto", "train", "label"),
        default="auto",
        help="kind of the ids; auto decides by the ground truth under --root, or by the frequency of each id, and "
        "refuses if neither is clear (default: auto)",
    )
    packing = actions.add_parser("pack", help="check a folder, then zip it", description="Check a folder, then zip it.")
    packing.add_argument("path", type=Path, metavar="DIR", help="folder of label-id PNGs")
    packing.add_argument("archive", type=Path, metavar="ZIP", help="zip to write, which is replaced if it exists")
    add_subset(packing)
    fixing.add_argument(
        "--root",
        type=Path,
        help="data folder, to compare with its images and ground truth (default: the official size)",
    )
    for action in (checking, packing):
        action.add_argument(
            "--root", type=Path, help="data folder, with leftImg8bit/test (default: expect the official 1525 images)"
        )
    for action in (checking, fixing, packing):
        add_workers(action)
    return parser


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Check, fix or pack a submission; code 2 for a fault, 1 if a packed zip is not of the official test set."""
    arguments = _parser().parse_args(argv)
    path: Path = arguments.path
    root: Path | None = arguments.root
    if arguments.action == "fix":
        fixed = fix(path, arguments.new, root, ids=arguments.ids, workers=arguments.workers)
        _print_fix_report(arguments.new, root, fixed)
        return 0
    if arguments.action == "check":
        report = check(path, root, workers=arguments.workers)
        _print_report(path, root, report)
        pack_it = _command("pack", path, "submission.zip", root=root)
        print(spelled(report.next_step(pack_it if path.is_dir() else _UPLOAD.format(path))))
        return 0
    report = pack(path, arguments.archive, root, workers=arguments.workers)
    _print_report(path, root, report)
    print(f"packed into {arguments.archive}, listed in {archives.manifest_of(arguments.archive)}")
    print(report.next_step(_UPLOAD.format(arguments.archive)))
    return packed(arguments.archive, report.deviation, "the official test set", subset=arguments.subset)


def _print_report(path: Path, root: Path | None, report: Report) -> None:
    """Print the warnings and the verdict.

    Raises:
        InputError: with every fault.
    """
    _warn(path, report.warnings)
    if not report.ok:
        raise InputError(*messages(path, report.faults))
    print(report.verdict(root))


def _print_fix_report(new: Path, root: Path | None, report: FixReport) -> None:
    """Print what was changed, the remaining faults as warnings, and the next step."""
    _warn(new, report.remaining)
    for change, number in report.changes.items():
        print(f"{change}: {counted(number, 'file')}")
    print(f"wrote {counted(report.predictions, 'prediction')} to {new}")
    if report.split == "test":
        print(spelled(f"next: {_command('check', new, root=root)}"))
    else:
        score = ["python", "-m", "cityscapes.scoring", "--predictions", str(new), "--split", report.split]
        print(spelled(f"next: {shlex.join([*score, '--root', str(root or 'data')])}"))


def _warn(path: Path, findings: Sequence[Finding]) -> None:
    for line in messages(path, findings):
        print(printable(spelled(f"warning: {line}")), file=sys.stderr)


def _command(action: str, *paths: Path | str, root: Path | None) -> str:
    """A command line of this module."""
    words = ["python", "-m", MODULE, action, *map(str, paths)]
    return shlex.join([*words, "--root", str(root)] if root else words)
