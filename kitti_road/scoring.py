"""Predictions and ground truth -> the scores of the KITTI Road benchmark.

Each set is scored separately: the frames of one category with the ground truth of one task, for example `um_road`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.cli.command import BAD_INPUT, command, report
from engine.cli.options import require_output_file, tool_parser
from engine.cli.parser import add_workers
from engine.cli.scoring import add_format, following, remark
from engine.errors import InputError
from engine.files.atomic import write_json
from engine.files.folders import find
from engine.findings import counted
from engine.parallel import parallel_map
from kitti_road.counts import NONE, Counts, Pair, count
from kitti_road.labels import CATEGORIES_OF, TASKS
from kitti_road.layout import TRUTHS, Frame, labelled_frames, parse, require_root
from kitti_road.measures import scores_of
from kitti_road.result import RoadResult, Space, coverage_of, title, to_json

SPLITS = ("train", "val", "training")
"""Splits with ground truth; `training` is train and val together, the official training set."""

URBAN = "urban_road"
_ORDER = ("um_road", "umm_road", "uu_road", URBAN, "um_lane")


def score(
    predictions: Path,
    root: Path,
    split: str,
    *,
    space: Space = "image",
    tasks: Sequence[str] = TASKS,
    workers: int = 1,
) -> RoadResult:
    """Score every set that has predictions.

    A set with a fault in any of its files is not scored; the other sets are. `urban_road` sums the pixels of um, umm
    and uu, and is scored only if all three are.

    Args:
        predictions: folder of `<category>_<task>_<number>.png`, 8-bit confidences at the size of the image.
        root: the folder data_road.
        split: train, val, or training for both.
        space: score in the image, or warped to the bird's-eye view.
        tasks: road, lane or both.
        workers: number of processes.

    Raises:
        InputError: if there is nothing to score.
    """
    sets = _sets(predictions, root, split, tasks)
    faults: list[str] = []
    notes: list[str] = []
    counts: dict[str, Counts] = {}
    for name, frames in sets.items():
        if not any(path.is_file() for path in _paths(predictions, name, frames)):
            notes.append(
                f"{name}: not scored, because none of its {len(frames)} frames has a prediction in {predictions}"
            )
            continue
        found = _count(predictions, root, name, frames, space, workers)
        if isinstance(found, InputError):
            faults += [*found.messages, f"{name}: not scored because of the errors above"]
        else:
            counts[name] = found
    if counts and not any(total.positives.any() for total in counts.values()):
        raise InputError(
            *faults,
            f"{root / 'training' / TRUTHS}: no pixel of the ground truth of {split} is {' or '.join(tasks)} in any of "
            f"{', '.join(counts)}; unpack data_road.zip again",
        )
    notes += _unscored(predictions, sets, tasks)
    coverage = coverage_of(split, {name: len(sets[name]) for name in counts})
    if road := _urban(counts):
        counts[URBAN] = road
    notes += [
        f"{name}: no pixel of the ground truth is {name.partition('_')[2]}, so nothing can be scored"
        for name, total in counts.items()
        if not total.positives.any()
    ]
    scores = {name: scores_of(counts[name]) for name in _ORDER if name in counts}
    return RoadResult(scores, tuple(faults), tuple(notes), coverage)


def _sets(predictions: Path, root: Path, split: str, tasks: Sequence[str]) -> dict[str, list[Frame]]:
    """The frames with ground truth of each set that has any."""
    require_root(root)
    if not predictions.is_dir():
        raise InputError(f"{predictions}: no such folder; give the folder that the predictions were written to")
    sets: dict[str, list[Frame]] = {}
    for task in tasks:
        for frame in labelled_frames(root, split, task):
            sets.setdefault(f"{frame.category}_{task}", []).append(frame)
    if not sets:
        raise InputError(
            f"{root / 'training' / TRUTHS}: no ground truth of {' or '.join(tasks)} for the {split} split; "
            "unpack data_road.zip again (the ground truth of the test set is secret: python -m kitti_road.submission)"
        )
    if not any(path.is_file() for name, frames in sets.items() for path in _paths(predictions, name, frames)):
        first = next(iter(sets.values()))[0].prediction(tasks[0])
        raise InputError(
            f"{predictions}: no predictions for the {split} split, expected files such as {first}.png; "
            "give the folder that the predictions were written to, and the predicted split"
        )
    return sets


def _unscored(predictions: Path, sets: dict[str, list[Frame]], tasks: Sequence[str]) -> list[str]:
    """A note on predictions of these tasks for frames without ground truth in the split."""
    wanted = {path.name for name, frames in sets.items() for path in _paths(predictions, name, frames)}
    names = [path.name for path in find(predictions, "*.png", levels=0) if path.name not in wanted]
    others = [name for name in names if (of := parse(name)) and of[0].partition("_")[2] in tasks]
    if not others:
        return []
    shown = ", ".join([*others[:3], *(["..."] if len(others) > 3 else [])])
    what = f"{counted(len(others), 'prediction')} not scored, because their frames are not in this split"
    return [f"{predictions}: {what} ({shown})"]


def _paths(predictions: Path, name: str, frames: Sequence[Frame]) -> list[Path]:
    task = name.partition("_")[2]
    return [predictions / f"{frame.prediction(task)}.png" for frame in frames]


def _count(
    predictions: Path, root: Path, name: str, frames: Sequence[Frame], space: Space, workers: int
) -> Counts | InputError:
    """The pixel counts of all frames of a set, or all faults of their files."""
    task = name.partition("_")[2]
    faults, pairs = [], []
    for frame, prediction in zip(frames, _paths(predictions, name, frames), strict=True):
        calibration = frame.calibration(root) if space == "bev" else None
        if prediction.is_file():
            pairs.append(Pair(prediction, frame.truth(root, task), calibration))
        else:
            faults.append(f"{prediction}: no such file; predict every frame of the split")
    total = NONE
    for _, counts in parallel_map(count, pairs, workers=workers, title=name):
        if isinstance(counts, InputError):
            faults += counts.messages
        else:
            total = total.plus(counts)
    return InputError(*faults) if faults else total


def _urban(counts: dict[str, Counts]) -> Counts | None:
    """The sum of the three categories of road, or None if one is missing."""
    parts = [counts.get(f"{category}_road") for category in CATEGORIES_OF["road"]]
    total = NONE
    for part in parts:
        if part is None:
            return None
        total = total.plus(part)
    return total


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder of predictions, print the table and write the figures; code 2 if a set cannot be scored."""
    options = _parser().parse_args(argv)
    output: Path | None = options.output
    if output is not None:
        require_output_file(output, "scores.json")
    result = score(options.predictions, options.root, options.split, space=options.space, workers=options.workers)
    for line in result.notes:
        print(f"note: {line}", file=sys.stderr)
    report(result.faults)
    if result.scores:
        remark(options.format, f"{title(options.split, options.space)}\n")
        print(result.table().render(options.format))
        remark(options.format, f"\n{result.coverage}")
    if output is not None and result.scores:
        write_json(output, to_json(result.scores, options.split, options.space))
        remark(options.format, f"\nwrote {output}")
    if not result.faults:
        remark(options.format, following(output))
    return BAD_INPUT if result.faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "kitti_road.scoring",
        "Score confidence maps as the KITTI Road benchmark does: MaxF, AP, PRE, REC, FPR, FNR of each set and urban.",
        [
            "python -m kitti_road.scoring --predictions outputs/fcn/val/predictions --root data/data_road",
            "python -m kitti_road.scoring --predictions outputs/fcn/val/predictions --root data/data_road --space bev",
        ],
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="one 8-bit PNG per frame, at the size of its image, for example um_road_000000.png or um_lane_000000.png",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("data/data_road"),
        metavar="DIR",
        help="data folder, with training/ (default: data/data_road)",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="val",
        help="split to score; training is train and val together (default: val)",
    )
    parser.add_argument(
        "--space",
        choices=("image", "bev"),
        default="image",
        help="score in the image, or in the bird's-eye view (bev), as the server does (default: image)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all figures to this JSON file")
    add_workers(parser)
    add_format(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
