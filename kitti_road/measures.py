"""Counts -> the measures of the KITTI Road benchmark.

The measures are those of Fritsch et al. 2013, "A New Performance Measure and Evaluation Benchmark for Road Detection
Algorithms", section IV, and the figures those of the official tools. Pixels are summed over all frames of a set before
any division, and one threshold applies to all frames.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.tables import Table
from kitti_road.counts import Counts

COLUMNS = ("MaxF", "AP", "PRE", "REC", "FPR", "FNR")
"""Names of the measures, in the order of the tables of the benchmark."""

_LEVELS = np.arange(11) * 0.1
_TINY = 1e-10
"""Constant added to denominators, as in the official tools; a perfect score is slightly below 1."""


@dataclass(frozen=True)
class RoadScores:
    """Scores of a set, from 0 to 1; NaN without positive pixels (false positive rate: without negative pixels)."""

    max_f: float
    """Maximum F1 over all thresholds."""
    average_precision: float
    """Mean over recalls 0, 0.1, ... 1 of the maximum precision at this recall or more."""
    threshold: int | None
    """Lowest confidence that counts as positive at the maximum F1, 0 to 255; None without positive pixels."""
    precision: float
    """Precision at the threshold."""
    recall: float
    """Recall at the threshold."""
    false_positive_rate: float
    """False positive rate at the threshold."""
    false_negative_rate: float
    """False negative rate at the threshold."""
    pixels: dict[str, int]
    """Pixels: TP, FP, FN and TN at the threshold, or positives and negatives without a threshold."""

    @property
    def columns(self) -> dict[str, float]:
        """The measures by name, in the order of the tables of the benchmark."""
        rates = (self.precision, self.recall, self.false_positive_rate, self.false_negative_rate)
        return dict(zip(COLUMNS, (self.max_f, self.average_precision, *rates), strict=True))

    def to_json(self) -> dict[str, Any]:
        """The scores as JSON content; null for NaN."""
        figures = {name: None if math.isnan(value) else value for name, value in self.columns.items()}
        return {**figures, "threshold": self.threshold, "pixels": self.pixels}


def scores_of(counts: Counts) -> RoadScores:
    """Reduce counts to scores over the 256 thresholds of 8-bit confidences."""
    hits, false_positives = counts.true_positives, counts.false_positives
    positives, negatives = int(hits[0]), int(false_positives[0])
    if not positives:
        pixels = {"positives": 0, "negatives": negatives}
        return RoadScores(math.nan, math.nan, None, math.nan, math.nan, math.nan, math.nan, pixels)
    recall, precision = hits / positives, hits / (hits + false_positives + _TINY)
    f1 = 2 * precision * recall / (precision + recall + _TINY)  # 0 without true positives
    best = int(f1.argmax())  # the lowest threshold with the maximum
    found, false = int(hits[best]), int(false_positives[best])
    return RoadScores(
        max_f=float(f1[best]),
        average_precision=float(np.mean([precision[recall >= level].max() for level in _LEVELS])),
        threshold=best,
        precision=found / (found + false),
        recall=found / positives,
        false_positive_rate=false / negatives if negatives else math.nan,
        false_negative_rate=(positives - found) / positives,
        pixels={"TP": found, "FP": false, "FN": positives - found, "TN": negatives - false},
    )


def table(scores: dict[str, RoadScores]) -> Table:
    """The scores in percent, as in the tables of the benchmark; the names of the sets are in capitals."""
    figures = [of_set.columns for of_set in scores.values()]
    columns: dict[str, list[Any]] = {"benchmark": [name.upper() for name in scores]}
    columns |= {name: [of_set[name] for of_set in figures] for name in COLUMNS}
    return Table(columns, dict.fromkeys(COLUMNS, lambda share: f"{100 * share:.2f} %"))
