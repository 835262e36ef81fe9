"""`python -m cityscapes.convert coco_instances|coco_panoptic|labelme|cvat`."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cityscapes.convert.output import Conversion
from cityscapes.labels import OFFICIAL, LabelTable
from cityscapes.layout import SPLITS
from engine.cli import command
from engine.cli.invocation import spelled
from engine.cli.options import tool_parser
from engine.cli.parser import add_workers
from engine.errors import printable
from engine.findings import counted

MODULE = "cityscapes.convert"
_AUTO = "auto"


@command.command
def main(argv: Sequence[str] | None = None) -> int:
    """Convert predictions or annotations of another program to a new folder; code 2 for a faulty object."""
    options = _parser().parse_args(argv)
    work = {"coco_instances": _instances, "coco_panoptic": _panoptic, "labelme": _labelme, "cvat": _cvat}
    done, following = work[options.format](options)
    for line in done.skipped:
        print(printable(spelled(f"warning: skipped: {line}")), file=sys.stderr)
    if done.reading:
        print(f"category ids: {done.reading}")
    for line in done.notes:
        print(f"note: {line}")
    print(f"wrote {counted(done.objects, 'object')} of {counted(done.images, 'image')} to {options.new}")
    print(spelled(f"next: {following}"))
    return 0


def _instances(options: argparse.Namespace) -> tuple[Conversion, str]:
    from cityscapes.convert import coco_instances

    done = coco_instances.convert(
        options.results,
        options.new,
        annotations=options.annotations,
        numbering=None if options.categories == _AUTO else options.categories,
        root=options.root,
        split=options.split,
        skip_faulty=options.skip_faulty,
        workers=options.workers,
    )
    return done, _for_predictions("instance", options.new, options.root, done.split)


def _panoptic(options: argparse.Namespace) -> tuple[Conversion, str]:
    from cityscapes.convert import coco_panoptic

    done = coco_panoptic.convert(
        options.json,
        options.pngs,
        options.new,
        options.split,
        annotations=options.annotations,
        numbering=None if options.categories == _AUTO else options.categories,
        skip_faulty=options.skip_faulty,
        workers=options.workers,
    )
    return done, _for_predictions("panoptic", options.new, None, done.split)


def _labelme(options: argparse.Namespace) -> tuple[Conversion, str]:
    from cityscapes.convert import labelme

    table, skip = _table(options.labels), options.skip_faulty
    done = labelme.convert(options.folder, options.new, table=table, skip_faulty=skip, workers=options.workers)
    return done, _for_polygons(options.new, options.labels)


def _cvat(options: argparse.Namespace) -> tuple[Conversion, str]:
    from cityscapes.convert import cvat

    table, skip = _table(options.labels), options.skip_faulty
    done = cvat.convert(options.json, options.new, table=table, skip_faulty=skip, workers=options.workers)
    return done, _for_polygons(options.new, options.labels)


def _table(path: Path | None) -> LabelTable:
    """The label table in a file, or the official one."""
    if path is None:
        return OFFICIAL
    from cityscapes import label_file

    return label_file.read(path)


def _for_predictions(task: str, new: Path, root: Path | None, split: str) -> str:
    """The command that follows: a check of the test set, or the scores of another split."""
    if split == "test":
        words = ["python", "-m", "cityscapes.submission", "check", str(new), "--task", task]
        return shlex.join([*words, "--root", str(root)] if root else words)
    words = ["python", "-m", "cityscapes.scoring", "--task", task, "--predictions", str(new)]
    return shlex.join([*words, "--root", str(root or "data"), "--split", split])


def _for_polygons(new: Path, labels: Path | None) -> str:
    words = ["python", "generate_gt.py", "--polygons", str(new)]
    return shlex.join([*words, "--labels", str(labels)] if labels else words)


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        MODULE,
        "Convert predictions and annotations of other programs to the formats of the benchmark.",
        [
            "python -m cityscapes.convert coco_instances results.segm.json outputs/instances --annotations val.json",
            "python -m cityscapes.convert coco_panoptic predictions.json panoptic outputs/panoptic --split val",
            "python -m cityscapes.convert labelme my_labelme outputs/polygons --labels my_labels.csv",
            "python -m cityscapes.convert cvat annotations/instances_default.json outputs/polygons",
        ],
    )
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")
    _add_instances(formats)
    _add_panoptic(formats)
    _add_annotations(formats)
    return parser


def _add_instances(formats: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from cityscapes.convert.categories import INSTANCE_KINDS

    about = "Convert COCO results of instances, of detectron2, mmdetection, Mask2Former or Ultralytics."
    parser = formats.add_parser("coco_instances", help="COCO results -> text files and masks", description=about)
    parser.add_argument(
        "results", type=Path, metavar="JSON", help="list of results: image_id, category_id, segmentation"
    )
    _add_new(parser)
    _add_names(parser, INSTANCE_KINDS)
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="data folder; its images without a result get an empty text file"
    )
    _add_split(parser)
    _add_common(parser)


def _add_panoptic(formats: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from cityscapes.convert.categories import PANOPTIC_KINDS

    about = "Convert COCO panoptic predictions, of Mask2Former, mmdetection or Hugging Face."
    parser = formats.add_parser("coco_panoptic", help="COCO panoptic JSON and PNGs -> the same", description=about)
    parser.add_argument("json", type=Path, metavar="JSON", help="file with annotations: image_id, segments_info")
    parser.add_argument("pngs", type=Path, metavar="DIR", help="folder of its PNGs: RGB, or grey with segment ids")
    _add_new(parser)
    _add_split(parser)
    _add_names(parser, PANOPTIC_KINDS)
    _add_common(parser)


def _add_annotations(formats: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "Convert annotations of labelme to polygon files."
    labelme = formats.add_parser("labelme", help="JSON files of labelme -> polygon files", description=about)
    labelme.add_argument("folder", type=Path, metavar="DIR", help="folder of the JSON files, in any subfolders")
    about = "Convert annotations that CVAT exported as COCO 1.0 to polygon files."
    cvat = formats.add_parser("cvat", help="COCO export of CVAT -> polygon files", description=about)
    cvat.add_argument("json", type=Path, metavar="JSON", help="annotations/instances_*.json of the export")
    for parser in (labelme, cvat):
        _add_new(parser)
        parser.add_argument(
            "--labels",
            type=Path,
            metavar="FILE",
            help="custom label table: CSV or YAML with name, id, trainId and color",
        )
        _add_common(parser)


def _add_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("new", type=Path, metavar="NEW", help="new folder to write to")


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", choices=SPLITS, help="split of the images (default: that of most of them, by their cities)"
    )


def _add_names(parser: argparse.ArgumentParser, kinds: Sequence[str]) -> None:
    parser.add_argument(
        "--annotations", type=Path, metavar="JSON", help="COCO file with the names of image ids and category ids"
    )
    parser.add_argument(
        "--categories",
        choices=(_AUTO, *kinds),
        default=_AUTO,
        help="numbering of the categories; auto decides by their names, or if only one fits (default: auto)",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--skip_faulty",
        action="store_true",
        help="leave out faulty objects and list them; otherwise nothing is written if there is one",
    )
    add_workers(parser)
