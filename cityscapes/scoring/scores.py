"""Counts -> the figures of the evaluation server, and the table of them.

The metrics are those of Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene
Understanding", section 4.1, and the figures those of the official `evalPixelLevelSemanticLabeling.py`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_NAME, CATEGORIES, LABELS
from cityscapes.scoring.counts import INSTANCE_SIZE, SCORED, WITH_INSTANCES, Counts
from engine.arrays import Float64Array, Int64Array
from engine.tables import Table, percent

if TYPE_CHECKING:
    import pandas as pd

LEVELS = ("class", "category")
MEAN = "mean"
"""Name of the last row of a level."""

_LABELS = tuple(label for label in LABELS if label.id >= 0)


@dataclass(frozen=True, eq=False)
class CityscapesScores:
    """The scores by name, from 0 to 1; NaN for what is not scored or occurs nowhere."""

    confusion: Int64Array
    """(34, 34) pixels by label id of the ground truth (row) and of the prediction (column)."""
    classes: dict[str, float]
    """IoU of all 34 labels."""
    class_instances: dict[str, float]
    """iIoU: every instance of the ground truth weighs the same, whatever its size."""
    categories: dict[str, float]
    category_instances: dict[str, float]

    def rows(self, level: str) -> dict[str, tuple[float, float]]:
        """IoU and iIoU by name of what is scored at a level, `class` or `category`, and last their means as `mean`."""
        ious, iious = self.classes, self.class_instances
        names = [name for name in ious if not BY_NAME[name].ignore_in_eval]
        if level == "category":
            ious, iious = self.categories, self.category_instances
            names = [name for name in ious if name != "void"]
        rows = {name: (ious[name], iious[name]) for name in names}
        return rows | {MEAN: (mean(iou for iou, _ in rows.values()), mean(iiou for _, iiou in rows.values()))}

    def table(self) -> Table:
        """The scores of classes, then of categories, each with a last row `mean`; columns level, name, IoU and iIoU."""
        rows = [(level, name, *pair) for level in LEVELS for name, pair in self.rows(level).items()]
        columns = dict(zip(("level", "name", "IoU", "iIoU"), zip(*rows, strict=True), strict=True))
        return Table(columns, {"IoU": percent, "iIoU": percent})

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1, see `table`; NaN for what has no score."""
        return self.table().to_dataframe()

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


def scores_of(counts: Counts) -> CityscapesScores:
    """Reduce counts to scores.

    What is predicted where the ground truth is not scored is no false positive; a label that is not scored,
    predicted where the ground truth is, is a false negative.
    """
    labels = {label.name: np.array([label.id]) for label in _LABELS}
    categories = {name: np.array([label.id for label in _LABELS if label.category == name]) for name in CATEGORIES}
    return CityscapesScores(
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


def table(scores: CityscapesScores) -> str:
    """The scores in percent, as papers print them; `-` for what has no score."""
    return "\n\n".join(_level_table(scores, level).render() for level in LEVELS)


def _level_table(scores: CityscapesScores, level: str) -> Table:
    """The scores of a level; the last row says how many of them have an IoU."""
    rows = scores.rows(level)
    ious, iious = zip(*rows.values(), strict=True)
    scored = sum(not math.isnan(value) for name, value in zip(rows, ious, strict=True) if name != MEAN)
    names = [f"mean of {scored}" if name == MEAN else name for name in rows]
    return Table({level: names, "IoU": ious, "iIoU": iious}, {"IoU": percent, "iIoU": percent})
