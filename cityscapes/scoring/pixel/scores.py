"""Counts -> the figures of the evaluation server, and their table.

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
from cityscapes.scoring.pixel.counts import INSTANCE_SIZE, SCORED, WITH_INSTANCES, Counts
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
    """Scores by name, from 0 to 1; NaN for a label that is not scored or does not occur."""

    confusion: Int64Array
    """(34, 34) pixels by label id of the ground truth (row) and of the prediction (column)."""
    classes: dict[str, float]
    """IoU of all 34 labels by name."""
    class_instances: dict[str, float]
    """iIoU of all 34 labels by name: each instance of the ground truth has the same weight, whatever its size."""
    categories: dict[str, float]
    """IoU of the categories by name."""
    category_instances: dict[str, float]
    """iIoU of the categories by name."""

    def rows(self, level: str) -> dict[str, tuple[float, float]]:
        """IoU and iIoU by name of the scored labels or categories (`level`), followed by their means as `mean`."""
        ious, iious = self.classes, self.class_instances
        names = [name for name in ious if not BY_NAME[name].ignore_in_eval]
        if level == "category":
            ious, iious = self.categories, self.category_instances
            names = [name for name in ious if name != "void"]
        rows = {name: (ious[name], iious[name]) for name in names}
        return rows | {MEAN: (mean(iou for iou, _ in rows.values()), mean(iiou for _, iiou in rows.values()))}

    def table(self) -> Table:
        """The scores of classes, then of categories, each with a last row `mean`; columns level, name, IoU, iIoU."""
        rows = [(level, name, *pair) for level in LEVELS for name, pair in self.rows(level).items()]
        columns = dict(zip(("level", "name", "IoU", "iIoU"), zip(*rows, strict=True), strict=True))
        return Table(columns, {"IoU": percent, "iIoU": percent})

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1, see `table`; NaN where there is no score."""
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

    A prediction where the ground truth is not scored does not count as a false positive. An unscored label that is
    predicted where the ground truth is scored counts as a false negative.
    """
    labels = {label.name: np.array([label.id]) for label in _LABELS}
    categories = {name: np.array([label.id for label in _LABELS if label.category == name]) for name in CATEGORIES}
    return CityscapesScores(
        confusion=counts.confusion,
        classes={name: _iou(counts, ids[SCORED[ids]]) for name, ids in labels.items()},
        class_instances={name: _iiou(counts, counts.hits, ids[SCORED[ids]]) for name, ids in labels.items()},
        categories={name: _iou(counts, ids[SCORED[ids]]) for name, ids in categories.items()},
        # Unlike above, the official scorer includes caravan and trailer in the vehicles here.
        category_instances={name: _iiou(counts, counts.category_hits, ids) for name, ids in categories.items()},
    )


def _iou(counts: Counts, ids: npt.NDArray[np.int_]) -> float:
    """Intersection over union of the labels with these ids, merged into one class."""
    hits = int(counts.confusion[np.ix_(ids, ids)].sum())
    return _ratio(hits, int(counts.confusion[ids].sum()) + _false_positives(counts, ids))


def _iiou(counts: Counts, hits: Float64Array, ids: npt.NDArray[np.int_]) -> float:
    """`_iou` with the pixels of the ground truth weighted by instance; NaN unless all labels have instances."""
    if not WITH_INSTANCES[ids].all():
        return math.nan
    # The weighted pixels of an instance add up to the average size of its label.
    inside = float((counts.instances[ids] * INSTANCE_SIZE[ids]).sum())
    return _ratio(float(hits[ids].sum()), inside + _false_positives(counts, ids))


def _false_positives(counts: Counts, ids: npt.NDArray[np.int_]) -> int:
    others = SCORED.copy()
    others[ids] = False
    return int(counts.confusion[np.ix_(others, ids)].sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def mean(scores: Iterable[float]) -> float:
    """Mean of the scores that are not NaN; NaN if all are."""
    valid = [value for value in scores if not math.isnan(value)]
    return sum(valid) / len(valid) if valid else math.nan


def table(scores: CityscapesScores) -> str:
    """The scores in percent, as in papers; `-` for NaN."""
    return "\n\n".join(_level_table(scores, level).render() for level in LEVELS)


def _level_table(scores: CityscapesScores, level: str) -> Table:
    """The scores of a level; the last row says how many of them have an IoU."""
    rows = scores.rows(level)
    ious, iious = zip(*rows.values(), strict=True)
    scored = sum(not math.isnan(value) for name, value in zip(rows, ious, strict=True) if name != MEAN)
    names = [f"mean of {scored}" if name == MEAN else name for name in rows]
    return Table({level: names, "IoU": ious, "iIoU": iious}, {"IoU": percent, "iIoU": percent})
