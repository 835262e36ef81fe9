"""`python -m cityscapes.submission check|fix|pack`."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from cityscapes.submission import archive as archives
from cityscapes.submission import record, tasks
from cityscapes.submission.report import FixReport, Report, messages
from cityscapes.submission.tasks import Listed
from cityscapes.tasks import TASKS, Task
from engine.cli import command
from engine.cli.invocation import spelled
from engine.cli.options import require_output_file, tool_parser
from engine.cli.parser import add_workers
from engine.cli.submission import add_subset, packed
from engine.errors import InputError, printable
from engine.files.atomic import write_json
from engine.files.new_folder import require_new
from engine.findings import Finding, counted

MODULE = "cityscapes.submission"
_UPLOAD = "upload {} at cityscapes-dataset.com"


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        MODULE,
        "Check predictions of the Cityscapes test set as the evaluation server does, fix them, and zip them.",
        [
            "python -m cityscapes.submission check outputs/fcn/test --root data",
            "python -m cityscapes.submission check submission.zip --output submission.zip.check.json",
            "python -m cityscapes.submission check outputs/instances --task instance --root data",
            "python -m cityscapes.submission fix outputs/old outputs/new",
            "python -m cityscapes.submission pack outputs/fcn/test submission.zip --root data",
            "python -m cityscapes.submission pack outputs/fcn/test demo.zip --root data/demo --subset",
        ],
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|fix|pack")
    checking = actions.add_parser(
        "check", help="list every fault of a folder or zip", description="List every fault of a folder or zip."
    )
    checking.add_argument("path", type=Path, metavar="PATH", help="folder or zip of the predictions")
    checking.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write the record of the check to this JSON file: time, verdict, faults, and the hash of a zip; "
        "`python -m report` shows ZIP.check.json",
    )
    fixing = actions.add_parser("fix", help="write a fixed copy", description="Write a fixed copy to a new folder.")
    fixing.add_argument("path", type=Path, metavar="PATH", help="folder or zip of the predictions, which is only read")
    fixing.add_argument("new", type=Path, metavar="NEW", help="new folder to write to")
    fixing.add_argument(
        "--ids",
        choices=("auto", "train", "label"),
        default="auto",
        help="kind of the ids; auto decides by the ground truth under --root, or by the frequency of each id, and "
        "refuses if neither is clear (default: auto)",
    )
    packing = actions.add_parser("pack", help="check a folder, then zip it", description="Check a folder, then zip it.")
    packing.add_argument("path", type=Path, metavar="DIR", help="folder of the predictions")
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
        action.add_argument(
            "--task", choices=TASKS, help="task of the predictions (default: recognised by their files)"
        )
        add_workers(action)
    return parser


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Check, fix or pack a submission; code 2 for a fault, 1 if a packed zip is not of the official test set."""
    arguments = _parser().parse_args(argv)
    run = {"check": _check, "fix": _fix, "pack": _pack}[arguments.action]
    return run(arguments)


def _check(arguments: argparse.Namespace) -> int:
    path, root, output = arguments.path, arguments.root, arguments.output
    if output is not None:
        record.require_outside(output, path)
        require_output_file(output, "check.json")
    files = _listed(path, arguments.task)
    about = record.zip_of(path) if output is not None and path.is_file() else None
    report = tasks.check(path, root, workers=arguments.workers, files=files)
    if output is not None:
        write_json(output, record.file_of(path, about, report, files.task))
        print(f"wrote {output}")
    _print_report(path, root, report, files)
    pack_it = _command("pack", path, "submission.zip", root=root)
    print(spelled(report.next_step(pack_it if path.is_dir() else _UPLOAD.format(path))))
    return 0


def _fix(arguments: argparse.Namespace) -> int:
    new, root = arguments.new, arguments.root
    require_new(arguments.path, new)
    files = _listed(arguments.path, arguments.task)
    fixed = tasks.fix(arguments.path, new, root, ids=arguments.ids, workers=arguments.workers, files=files)
    _print_fix_report(new, root, fixed, files.task)
    return 0


def _pack(arguments: argparse.Namespace) -> int:
    folder, archive = arguments.path, arguments.archive
    tasks.require_paths(folder, archive)
    files = _listed(folder, arguments.task)
    report = tasks.pack(folder, archive, arguments.root, workers=arguments.workers, files=files)
    _print_report(folder, arguments.root, report, files)
    print(f"packed into {archive}, listed in {archives.manifest_of(archive)}")
    print(report.next_step(_UPLOAD.format(archive)))
    return packed(archive, report.deviation, "the official test set", subset=arguments.subset)


def _listed(path: Path, task: Task | None) -> Listed:
    """The files of a folder or zip. A task that was recognised by its files is printed at once, before any fault."""
    files = tasks.listed(path, task)
    if files.evidence and files.task != "pixel":
        _print_task(files)
    return files


def _print_task(files: Listed) -> None:
    evidence = "" if files.task == "pixel" else f", recognised by {files.evidence}"
    print(printable(f"task: {files.task}{evidence}"))


def _print_report(path: Path, root: Path | None, report: Report, files: Listed) -> None:
    """Print the warnings and the verdict.

    Raises:
        InputError: with every fault.
    """
    _warn(path, report.warnings)
    if not report.ok:
        raise InputError(*messages(path, report.faults))
    print(report.verdict(root))
    if files.evidence and files.task == "pixel":
        _print_task(files)


def _print_fix_report(new: Path, root: Path | None, report: FixReport, task: Task) -> None:
    """Print what was changed, the remaining faults as warnings, and the next step."""
    _warn(new, report.remaining)
    for change, number in report.changes.items():
        print(f"{change}: {counted(number, 'file')}")
    print(f"wrote {counted(report.predictions, 'prediction')} to {new}")
    if report.split == "test":
        print(spelled(f"next: {_command('check', new, root=root)}"))
    else:
        score = ["python", "-m", "cityscapes.scoring", "--predictions", str(new), "--split", report.split]
        score += [] if task == "pixel" else ["--task", task]
        print(spelled(f"next: {shlex.join([*score, '--root', str(root or 'data')])}"))


def _warn(path: Path, findings: Sequence[Finding]) -> None:
    command.warn(messages(path, findings))


def _command(action: str, *paths: Path | str, root: Path | None) -> str:
    """A command line of this module."""
    words = ["python", "-m", MODULE, action, *map(str, paths)]
    return shlex.join([*words, "--root", str(root)] if root else words)
