"""Predictions and ground truth -> the scores of the Cityscapes evaluation server.

The metrics are those of Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene
Understanding", section 4.1, and the figures those of the official `evalPixelLevelSemanticLabeling.py`.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cityscapes.counts import INSTANCE_SIZE, SCORED, WITH_INSTANCES, Counts, Float64Array, Int64Array, Pair, count
from cityscapes.labels import BY_NAME, CATEGORIES, LABELS
from cityscapes.layout import SPLITS, Scene, labelled_scenes, require_root
from cityscapes.predictions import Found, find, train_id_doubt
from engine.faults import InputError, command
from engine.files import require_writable, write_json
from engine.options import tool_parser
from engine.parallel import available_cpus, each

_SHOWN = 5
"""How many faults of a kind are shown where there are more than twice as many."""

_LABELS = tuple(label for label in LABELS if label.id >= 0)


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores by name, from 0 to 1; NaN for what is not scored or occurs nowhere."""

    confusion: Int64Array
    """(34, 34) pixels by label id of the ground truth (row) and of the prediction (column)."""
    classes: dict[str, float]
    """IoU of all 34 labels."""
    class_instances: dict[str, float]
    """iIoU: every instance of the ground truth weighs the same, whatever its size."""
    categories: dict[str, float]
    category_instances: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The scores under the keys of the official result file."""
        priors = self.confusion.sum(1) / self.confusion.sum()
        return {
            "averageScoreClasses": mean(self.classes.values()),
            "averageScoreInstClasses": mean(self.class_instances.values()),
            "averageScoreCategories": mean(self.categories.values()),
            "averageScoreInstCategories": mean(self.category_instances.values()),
            "classScores": self.classes,
            "classInstScores": self.class_instances,
            "categoryScores": self.categories,
            "categoryInstScores": self.category_instances,
            "labels": {label.name: label.id for label in _LABELS},
            "priors": {label.name: float(priors[label.id]) for label in _LABELS},
            "confMatrix": self.confusion.tolist(),
        }


def score(
    predictions: Path, root: Path, split: str, *, workers: int = 1, scenes: Sequence[Scene] | None = None
) -> Scores:
    """Score the predictions of all scenes of a split that have the official masks, or of some of them.

    The scores are the same, to the last bit, for any number of workers. Where all predictions together
    may be train ids, a warning on stderr says so.

    Raises:
        InputError: with everything that is wrong with any file.
    """
    pairs, faults = _pairs(predictions, root, split, scenes)
    total: Counts | None = None
    for _, counts in each(count, pairs, workers=workers, title="scoring"):
        if isinstance(counts, InputError):
            faults.extend(counts.messages)
        else:
            total = total.plus(counts) if total else counts
    if faults or total is None:
        raise InputError(*_grouped(faults))
    if not total.confusion[SCORED].any():
        raise InputError(f"{root}: no pixel of the {split} masks has a scored label; {_official(split)}")
    if doubt := train_id_doubt(total.confusion.sum(0), total.confusion.sum(1)):
        print(f"warning: {predictions}: {doubt}", file=sys.stderr)
    return scores_of(total)


def _pairs(predictions: Path, root: Path, split: str, scenes: Sequence[Scene] | None) -> tuple[list[Pair], list[str]]:
    """The scenes whose files are all there, and what is wrong with the others."""
    require_root(root)
    scenes = labelled_scenes(root, split) if scenes is None else scenes
    if not scenes:
        pattern = Scene(split, "*", "*").official_mask(root, "labelIds")
        raise InputError(f"{pattern}: no such masks; {_official(split)}")
    found = find(predictions)
    faults = _naming_faults(found, predictions, scenes)
    pairs = []
    for scene in scenes:
        pair = found.by_stem.get(scene.stem, [])
        instance_ids = scene.official_mask(root, "instanceIds")
        if not instance_ids.is_file():
            faults.append(f"{instance_ids}: no such file; unpack gtFine_trainvaltest.zip again, which has it")
        elif len(pair) == 1:
            pairs.append(Pair(pair[0], scene.official_mask(root, "labelIds"), instance_ids))
    return pairs, faults


def _naming_faults(found: Found, folder: Path, scenes: Sequence[Scene]) -> list[str]:
    faults = []
    for scene in scenes:
        paths = found.by_stem.get(scene.stem, [])
        if not paths:
            faults.append(f"{scene.stem}: no prediction in {folder}; predict every scene of the {scene.split} split")
        elif len(paths) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in paths)
            faults.append(f"{scene.stem}: {len(paths)} predictions in {folder} ({names}); keep one of each scene")
    if not any(scene.stem in found.by_stem for scene in scenes):
        other = next(iter([*found.strangers, *(path for paths in found.by_stem.values() for path in paths)]))
        faults.append(
            f"{other}: belongs to no scene of the {scenes[0].split} split; choose the split that was predicted, "
            "with file names that start with <city>_<6 digits>_<6 digits>"
        )
    return faults


def _official(split: str) -> str:
    if split == "test":
        return (
            "scoring needs the official masks, and those of the test split are secret: upload the predictions "
            "to the server instead: python -m cityscapes.submission"
        )
    return "scoring needs the official masks: unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) there"


def _grouped(faults: Sequence[str]) -> list[str]:
    """Put faults of a kind together, and show only the first few where there are many.

    Of a kind are those with the same remedy, which follows the last semicolon.
    """
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        kinds.setdefault(fault.rpartition("; ")[2], []).append(fault)
    messages = []
    for remedy, same in kinds.items():
        shown = same if len(same) <= 2 * _SHOWN else same[:_SHOWN]
        messages += shown
        if len(shown) < len(same):
            messages.append(f"and {len(same) - len(shown)} more like these; {remedy}")
    return messages


def scores_of(counts: Counts) -> Scores:
    """Reduce counts to scores.

    What is predicted where the ground truth is not scored is no false positive; a label that is not scored,
    predicted where the ground truth is, is a false negative.
    """
    labels = {label.name: np.array([label.id]) for label in _LABELS}
    categories = {name: np.array([label.id for label in _LABELS if label.category == name]) for name in CATEGORIES}
    return Scores(
        confusion=counts.confusion,
        classes={name: _iou(counts, ids[SCORED[ids]]) for name, ids in labels.items()},
        class_instances={name: _iiou(counts, counts.hits, ids[SCORED[ids]]) for name, ids in labels.items()},
        categories={name: _iou(counts, ids[SCORED[ids]]) for name, ids in categories.items()},
        # Unlike the line above, the official scorer has caravan and trailer among the vehicles here.
        category_instances={name: _iiou(counts, counts.category_hits, ids) for name, ids in categories.items()},
    )


def _iou(counts: Counts, ids: npt.NDArray[np.int_]) -> float:
    """Intersection over union of the labels with these ids, taken as one."""
    hits = int(counts.confusion[np.ix_(ids, ids)].sum())
    return _ratio(hits, int(counts.confusion[ids].sum()) + _false_positives(counts, ids))


def _iiou(counts: Counts, hits: Float64Array, ids: npt.NDArray[np.int_]) -> float:
    """The same with pixels of the ground truth weighed by instance; NaN unless all labels have instances."""
    if not WITH_INSTANCES[ids].all():
        return math.nan
    # All instances of a label weigh as much as its average instance has pixels.
    inside = float((counts.instances[ids] * INSTANCE_SIZE[ids]).sum())
    return _ratio(float(hits[ids].sum()), inside + _false_positives(counts, ids))


def _false_positives(counts: Counts, ids: npt.NDArray[np.int_]) -> int:
    others = SCORED.copy()
    others[ids] = False
    return int(counts.confusion[np.ix_(others, ids)].sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def mean(scores: Iterable[float]) -> float:
    """The mean of the scores that are not NaN, and NaN if there are none."""
    valid = [value for value in scores if not math.isnan(value)]
    return sum(valid) / len(valid) if valid else math.nan


def table(scores: Scores) -> str:
    """The scores in percent, as papers print them; `-` for what has no score."""
    classes = {name: value for name, value in scores.classes.items() if not BY_NAME[name].ignore_in_eval}
    categories = {name: value for name, value in scores.categories.items() if name != "void"}
    rows = [*_rows("class", classes, scores.class_instances), ""]
    return "\n".join([*rows, *_rows("category", categories, scores.category_instances)])


def _rows(title: str, ious: dict[str, float], iious: dict[str, float]) -> list[str]:
    scored = sum(not math.isnan(value) for value in ious.values())
    return [
        f"{title:<14}   IoU   iIoU",
        *(f"{name:<14} {_percent(value)}  {_percent(iious[name])}" for name, value in ious.items()),
        f"{f'mean of {scored}':<14} {_percent(mean(ious.values()))}  {_percent(mean(iious.values()))}",
    ]


def _percent(value: float) -> str:
    return f"{'-' if math.isnan(value) else f'{100 * value:.1f}':>5}"


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder of predictions, print the table and write the figures."""
    options = _parser().parse_args(argv)
    output: Path | None = options.output
    if output is not None:
        if output.is_dir():
            raise InputError(f"{output}: is a folder; give the file to write as --output, {output / 'scores.json'}")
        require_writable(output.parent)
    scores = score(options.predictions, options.root, options.split, workers=options.workers)
    print(table(scores))
    if output is not None:
        write_json(output, scores.to_json())
        print(f"\nwrote {output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = tool_parser(
        "cityscapes.scoring",
        "Score label-id predictions as the evaluation server does: IoU and iIoU of classes and categories.",
        [
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --split val",
            "python -m cityscapes.scoring --predictions outputs/fcn --root data --output outputs/scores.json",
        ],
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="one label-id PNG a scene, in any folders below, named <city>_<6 digits>_<6 digits>*.png",
    )
    parser.add_argument("--root", type=Path, default=Path("data"), metavar="DIR", help="has gtFine/ (default: data)")
    parser.add_argument("--split", choices=SPLITS, default="val", help="default: val")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all figures here, as the official JSON")
    parser.add_argument(
        "--workers", type=int, default=available_cpus(), metavar="N", help="processes (default: all CPUs)"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
