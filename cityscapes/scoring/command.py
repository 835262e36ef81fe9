"""`python -m cityscapes.scoring`: score predictions of one of the three tasks, or compare two results."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cityscapes.layout import SPLITS
from cityscapes.scoring import tasks
from cityscapes.tasks import TASKS
from engine.cli.command import command
from engine.cli.options import require_output_file, tool_parser
from engine.cli.parser import add_workers
from engine.cli.scoring import add_format, remark
from engine.files.atomic import remove_all_unfinished, require_writable, write_json

_SCORING_ONLY = ("predictions", "output", "details", "boundary")
"""Options that --compare does not use."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder of predictions, print the table and write the figures, or compare two results."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.compare is not None:
        _compare(parser, options)
        return 0
    if options.predictions is None:
        parser.error("give --predictions DIR, or --compare A.json B.json")
    if options.boundary and options.task != "pixel":
        parser.error("--boundary is for --task pixel; leave it out")
    _score(options)
    return 0


def _score(options: argparse.Namespace) -> None:
    _require_writable_outputs(options.output, options.details)
    result = tasks.measure(
        options.task,
        options.predictions,
        options.root,
        options.split,
        workers=options.workers,
        with_borders=options.boundary,
    )
    print(result if options.format == "text" else result.table().render(options.format))
    if options.format != "text":
        remark(options.format, result.remark())
    written = [] if options.details is None else result.write_details(options.details)
    if options.output is not None:
        write_json(options.output, result.to_json())
        written.append(options.output)
    if written:
        remark(options.format, f"\nwrote {', '.join(map(str, written))}")
    remark(options.format, _next_step(options.output, options.details))


def _compare(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if unused := [name for name in _SCORING_ONLY if getattr(options, name)]:
        parser.error(f"--compare reads two files of --output and writes none; leave out --{', --'.join(unused)}")
    compared = tasks.compare(*options.compare)
    if options.format == "text":
        print(compared)
    else:
        print(compared.table().render(options.format))
        remark(options.format, f"{compared.heading()}\n{compared.verdict()}")


def _next_step(output: Path | None, details: Path | None) -> str:
    """The line that suggests the next command."""
    if output is None:
        more = "" if details is not None else ", --details DIR for those of each image"
        return f"next: add --output scores.json to keep the figures{more}"
    return f"next: python -m cityscapes.scoring --compare {output} OTHER.json"


def _require_writable_outputs(output: Path | None, details: Path | None) -> None:
    """Check before the work that the files can be written."""
    if output is not None:
        require_output_file(output, "scores.json")
    if details is not None:
        require_writable(details)
        remove_all_unfinished(details)


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "cityscapes.scoring",
        "Score predictions as the evaluation server does: IoU of pixels, AP of instances, or panoptic quality.",
        [
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --split val",
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --output outputs/scores.json",
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --boundary --details outputs/scores",
            "python -m cityscapes.scoring --task instance --predictions outputs/instances --details outputs/scores",
            "python -m cityscapes.scoring --task panoptic --predictions outputs/panoptic --root data --split val",
            "python -m cityscapes.scoring --compare outputs/before.json outputs/after.json",
            "python -m cityscapes.scoring --compare outputs/before.json outputs/after.json --format latex",
        ],
    )
    parser.add_argument(
        "--task",
        choices=TASKS,
        default="pixel",
        help="task of the predictions; pixel: label-id PNGs, instance: text files and masks, panoptic: JSON and PNGs "
        "(default: pixel)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="DIR",
        help="folder of the predictions; pixel: one label-id PNG per scene, named <city>_<6 digits>_<6 digits>*.png, "
        "in any subfolders; instance: one text file per scene, <city>_<6 digits>_<6 digits>*.txt, and its masks; "
        "panoptic: cityscapes_panoptic_<split>.json and the folder of PNGs of that name",
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data"), metavar="DIR", help="data folder, with gtFine/ (default: data)"
    )
    parser.add_argument("--split", choices=SPLITS, default="val", help="split to score (default: val)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write all figures to this JSON file, under the official keys"
    )
    parser.add_argument(
        "--details",
        type=Path,
        metavar="DIR",
        help="write figures of single images (CSV) and, for pixels and instances, the confusion of the classes to this "
        "folder",
    )
    parser.add_argument(
        "--boundary", action="store_true", help="boundary IoU in addition, which takes longer (pixel task)"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A", "B"),
        help="compare two files of --output, of any task, instead of scoring",
    )
    add_workers(parser)
    add_format(parser)
    return parser
