"""Predictions of the test set -> a zip of bird's-eye views for the evaluation server."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.cli import command
from engine.cli.options import tool_parser
from engine.cli.parser import add_workers
from engine.cli.submission import add_subset, next_line, packed
from engine.errors import InputError, printable
from engine.files import folders
from engine.files.archives import write_zip
from engine.findings import Finding, counted, fault, of_severity
from engine.parallel import parallel_map
from kitti_road import archive as zips
from kitti_road import completeness
from kitti_road.birds_eye import COLUMNS, ROWS, WarpJob, warped_png
from kitti_road.layout import parse, require_root

_UPLOAD = "upload {} at cvlibs.net/datasets/kitti"
_FORMAT = "an 8-bit PNG with one channel of confidences"


@dataclass(frozen=True)
class Report:
    """Result of a check."""

    sets: dict[str, int]
    """Set, for example `um_road` -> number of its predictions."""
    faults: tuple[str, ...]
    """Reasons why the server would refuse the submission or leave out a set; empty if there are none."""
    warnings: tuple[str, ...]
    """Notes that do not prevent a submission."""
    deviation: str = ""
    """Differences in number and size between the expected images and the official ones; empty if there are none."""

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if not self.deviation:
            return f"ok: {self.summary}"
        return f"not for the server: {self.summary}; these are not all of the official test images: {self.deviation}"

    def next_step(self, usual: str) -> str:
        """The line that suggests the next step: `usual`, unless the images deviate."""
        return next_line(self.deviation, usual, "test images of data_road.zip")

    @property
    def summary(self) -> str:
        """Number of predictions by set, for example `290 predictions (um_road 96, ...)`."""
        parts = ", ".join(f"{name} {number}" for name, number in self.sets.items())
        return f"{counted(sum(self.sets.values()), 'prediction')} ({parts})"


def check(path: Path, root: Path | None, *, workers: int = 1) -> Report:
    """Find every fault of a folder of predictions in the image, or of a zip of bird's-eye views.

    Args:
        path: folder or zip.
        root: the folder data_road; without it, a zip is checked against the official numbers.
        workers: number of processes.

    Raises:
        InputError: if there is nothing to check.
    """
    if path.is_dir():
        return _views(path, _require_root(root, path), workers)[0]
    if not path.is_file():
        raise InputError(f"{path}: no such folder or zip; predict the test split first")
    images = list(zips.inspect(path))
    findings = [*completeness.findings([image.name for image in images], root), *_formats(images)]
    return _report(path, root, [image.name for image in images], findings, [])


def pack(folder: Path, archive: Path, root: Path, *, workers: int = 1) -> Report:
    """Warp the predictions in a folder to the bird's-eye view and zip them; the result is reproducible.

    Raises:
        InputError: with every fault; no zip is written in that case.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that the predictions were written to")
    if archive.suffix.lower() != ".zip" or archive.is_dir():
        raise InputError(f"{archive}: expected the name of a file ending in .zip; choose another")
    report, views = _views(folder, root, workers)
    if report.faults:
        raise InputError(*report.faults)
    write_zip(archive, sorted(views.items()))
    return report


def _views(folder: Path, root: Path, workers: int) -> tuple[Report, dict[str, bytes]]:
    """The report on a folder, and its bird's-eye views as PNG files by name."""
    require_root(root)
    names = [path.name for path in folders.find(folder, "*", levels=0) if not path.is_dir()]
    findings = list(completeness.findings(names, root))
    jobs = [
        WarpJob(folder / name, frame.image(root), frame.calibration(root))
        for name, (_, frame) in completeness.expected_predictions(root).items()
        if name in names
    ]
    views: dict[str, bytes] = {}
    messages: list[str] = []
    for job, view in parallel_map(warped_png, jobs, workers=workers, title="bird's-eye view"):
        if isinstance(view, InputError):
            messages += view.messages
        else:
            views[job.prediction.name] = view
    return _report(folder, root, names, findings, messages), views


def _formats(images: Sequence[zips.ImageInfo]) -> Iterator[Finding]:
    """Faults of the content of the predictions in a zip."""
    read = [image for image in images if parse(image.name) is not None]
    damaged = [f"{image.name}: {image.problem}" for image in read if image.problem]
    modes = [f"{one.name}: {one.mode}" for one in read if not one.problem and one.mode != "L"]
    sizes = [
        f"{one.name}: {one.size[0]} x {one.size[1]}" for one in read if not one.problem and one.size != (COLUMNS, ROWS)
    ]
    again = "pack the predictions again: python -m kitti_road.submission pack DIR ZIP"
    if damaged:
        yield fault("damaged", f"got {counted(len(damaged), 'file')} that cannot be read as PNG", again, damaged)
    if modes:
        yield fault("format", f"got {counted(len(modes), 'file')} in another format, expected {_FORMAT}", again, modes)
    if sizes:
        what = f"got {counted(len(sizes), 'file')} of a different size, expected bird's-eye views of {COLUMNS} x {ROWS}"
        yield fault("size", what, again, sizes)


def _report(
    path: Path, root: Path | None, names: Sequence[str], findings: Sequence[Finding], messages: Sequence[str]
) -> Report:
    lines = {kind: [f"{path}: {one}" for one in of_severity(kind, findings)] for kind in ("fault", "note")}
    faults = (*lines["fault"], *messages)
    deviation = completeness.deviation(names, root) if root is not None and not faults else ""
    return Report(completeness.sets_of(names), faults, tuple(lines["note"]), deviation)


def _require_root(root: Path | None, folder: Path) -> Path:
    if root is None:
        raise InputError(f"{folder}: the check compares predictions with the images; give data_road as --root")
    return root


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "kitti_road.submission",
        "Check predictions of the KITTI Road test set, warp them to the bird's-eye view, and zip them for the server.",
        [
            "python -m kitti_road.submission check outputs/fcn/test/predictions --root data/data_road",
            "python -m kitti_road.submission pack outputs/fcn/test/predictions submission.zip --root data/data_road",
            "python -m kitti_road.submission check submission.zip",
        ],
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|pack")
    checking = actions.add_parser(
        "check", help="list every fault of a folder or zip", description="List every fault of a folder or zip."
    )
    checking.add_argument(
        "path", type=Path, metavar="PATH", help="folder of predictions in the image, or zip of bird's-eye views"
    )
    checking.add_argument(
        "--root", type=Path, help="data_road, needed for a folder (default for a zip: expect the official numbers)"
    )
    packing = actions.add_parser(
        "pack", help="check, warp and zip a folder", description="Check, warp and zip a folder."
    )
    packing.add_argument(
        "path", type=Path, metavar="DIR", help="folder of predictions in the image, for example um_road_000000.png"
    )
    packing.add_argument("archive", type=Path, metavar="ZIP", help="zip to write, which is replaced if it exists")
    add_subset(packing)
    packing.add_argument(
        "--root", type=Path, default=Path("data/data_road"), help="data_road (default: data/data_road)"
    )
    for action in (checking, packing):
        add_workers(action)
    return parser


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Check or pack a submission; code 2 for a fault, 1 if a packed zip is not of the official images."""
    arguments = _parser().parse_args(argv)
    path: Path = arguments.path
    root: Path | None = arguments.root
    if arguments.action == "check":
        _print_report(report := check(path, root, workers=arguments.workers))
        words = ["python", "-m", "kitti_road.submission", "pack", path, "submission.zip", "--root", root]
        print(report.next_step(shlex.join(map(str, words)) if path.is_dir() else _UPLOAD.format(path)))
        return 0
    archive: Path = arguments.archive
    _print_report(report := pack(path, archive, arguments.root, workers=arguments.workers))
    print(f"packed as bird's-eye views into {archive}\n{report.next_step(_UPLOAD.format(archive))}")
    return packed(archive, report.deviation, "all official test images", subset=arguments.subset)


def _print_report(report: Report) -> None:
    """Print the warnings and the verdict.

    Raises:
        InputError: with every fault.
    """
    for line in report.warnings:
        print(printable(f"warning: {line}"), file=sys.stderr)
    if report.faults:
        raise InputError(*report.faults)
    print(report.verdict)


if __name__ == "__main__":
    raise SystemExit(main())
