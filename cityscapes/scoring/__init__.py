"""Predictions and ground truth -> the scores of the Cityscapes evaluation server, with the figures behind them."""

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import SPLITS, Scene
from cityscapes.predictions import train_id_warning
from cityscapes.scoring import boundary, comparison, images
from cityscapes.scoring.boundary import BorderCounts
from cityscapes.scoring.counts import SCORED, Counts, Pair, count, read
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.images import ImageCounts
from cityscapes.scoring.pairs import masks_remedy, pair_files
from cityscapes.scoring.result import ScoringResult, write_details
from cityscapes.scoring.scores import CityscapesScores, mean, scores_of, table
from engine.cli.command import command
from engine.cli.options import require_output_file, tool_parser
from engine.cli.parser import add_workers
from engine.cli.scoring import add_format, remark
from engine.errors import InputError
from engine.files.atomic import remove_all_unfinished, require_writable, write_json
from engine.findings import counted, grouped
from engine.parallel import parallel_map

__all__ = ["CityscapesScores", "ScoringResult", "main", "mean", "measure", "score", "scores_of", "table"]


class _SceneResult(NamedTuple):
    """Counts of one scene."""

    counts: Counts
    borders: BorderCounts | None
    size: tuple[int, int]
    """Width and height of the scene, in pixels."""


def score(
    predictions: Path,
    root: Path,
    split: str,
    *,
    workers: int = 1,
    scenes: Sequence[Scene] | None = None,
    known_ids: bool = False,
) -> CityscapesScores:
    """Scores of the predictions of a split; `measure` returns everything else as well."""
    return measure(predictions, root, split, workers=workers, scenes=scenes, known_ids=known_ids).scores


def measure(
    predictions: Path,
    root: Path,
    split: str,
    *,
    workers: int = 1,
    scenes: Sequence[Scene] | None = None,
    with_borders: bool = False,
    known_ids: bool = False,
) -> ScoringResult:
    """Score the predictions of the scenes of a split that have the official masks, see `pair_files`.

    The figures are bit-identical for any number of workers. Less than a kilobyte is kept per image.
    Warnings on stderr report predictions that are not scored and instance ids that contradict label ids. A warning also
    reports ids that agree with the ground truth only if read as train ids, unless they are known to be label ids.

    Raises:
        InputError: with the faults of all files.
    """
    files = pair_files(predictions, root, split, scenes)
    faults = list(files.faults)
    total: Counts | None = None
    borders: BorderCounts | None = None
    image_counts: list[ImageCounts] = []
    sizes: Counter[tuple[int, int]] = Counter()
    contradicting: list[str] = []
    work = functools.partial(_score_scene, with_borders=with_borders)
    for pair, scene in parallel_map(work, files.pairs, workers=workers, title="scoring"):
        if isinstance(scene, InputError):
            faults.extend(scene.messages)
            continue
        total = scene.counts if total is None else total.plus(scene.counts)
        borders = scene.borders if borders is None or scene.borders is None else borders.plus(scene.borders)
        image_counts.append(images.count(pair.stem, scene.counts.confusion))
        sizes[scene.size] += 1
        if scene.counts.contradictions:
            contradicting.append(f"{pair.instance_ids}: {counted(scene.counts.contradictions, 'pixel')}")
    if faults or total is None:
        raise InputError(*grouped(faults))
    if not total.confusion[SCORED].any():
        raise InputError(f"{root}: no pixel of the {split} masks has a scored label; {masks_remedy(split)}")
    id_warning = None if known_ids else train_id_warning(total.confusion)
    _warn(predictions, id_warning, files.warnings, contradicting)
    coverage = Coverage.of(split, [image.stem for image in image_counts], sizes, files.left_out)
    return ScoringResult(scores_of(total), tuple(image_counts), borders, coverage)


def _warn(predictions: Path, id_warning: str | None, warnings: Sequence[str], contradicting: Sequence[str]) -> None:
    """Print warnings about files that are scored nevertheless."""
    lines = list(warnings)
    if contradicting:
        lines.append(
            f"{counted(len(contradicting), 'instanceIds mask')} with labels that differ from labelIds (first "
            f"{contradicting[0]}): IoU uses labelIds, iIoU uses instanceIds; unpack gtFine_trainvaltest.zip again"
        )
    if id_warning:
        lines.append(f"{predictions}: {id_warning}")
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def _score_scene(pair: Pair, *, with_borders: bool) -> _SceneResult:
    masks = read(pair)
    counts = count(pair, masks)
    height, width = masks.label_ids.shape
    return _SceneResult(counts, boundary.borders(masks) if with_borders else None, (width, height))


_SCORING_ONLY = ("predictions", "output", "details", "boundary")
"""Options that --compare does not use."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder of predictions, print the table and write the figures, or compare two results."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.compare is not None:
        if unused := [name for name in _SCORING_ONLY if getattr(options, name)]:
            parser.error(f"--compare reads two files of --output and writes none; leave out --{', --'.join(unused)}")
        compared = comparison.compare(*options.compare)
        if options.format == "text":
            print(compared)
        else:
            print(compared.table().render(options.format))
            remark(options.format, f"{compared.heading()}\n{compared.verdict()}")
        return 0
    if options.predictions is None:
        parser.error("give --predictions DIR, or --compare A.json B.json")
    _require_writable_outputs(options.output, options.details)
    result = measure(
        options.predictions, options.root, options.split, workers=options.workers, with_borders=options.boundary
    )
    print(result if options.format == "text" else result.table().render(options.format))
    if options.format != "text":
        remark(options.format, result.remark())
    written = [] if options.details is None else write_details(options.details, result)
    if options.output is not None:
        write_json(options.output, result.to_json())
        written.append(options.output)
    if written:
        remark(options.format, f"\nwrote {', '.join(map(str, written))}")
    remark(options.format, _next_step(options.output))
    return 0


def _next_step(output: Path | None) -> str:
    """The line that suggests the next command."""
    if output is None:
        return "next: add --output scores.json to keep the figures, --details DIR for those of each image"
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
        "Score label-id predictions as the evaluation server does: IoU and iIoU of classes and categories.",
        [
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --split val",
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --output outputs/scores.json",
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --boundary --details outputs/scores",
            "python -m cityscapes.scoring --compare outputs/before.json outputs/after.json",
            "python -m cityscapes.scoring --compare outputs/before.json outputs/after.json --format latex",
        ],
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="DIR",
        help="one label-id PNG per scene, named <city>_<6 digits>_<6 digits>*.png, in any subfolders",
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
        help="write scores per image (CSV) and the confusion matrix to this folder",
    )
    parser.add_argument("--boundary", action="store_true", help="boundary IoU in addition, which takes longer")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="compare two files of --output, instead of scoring"
    )
    add_workers(parser)
    add_format(parser)
    return parser
