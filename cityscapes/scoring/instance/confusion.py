"""The confusion of instances: the classes that were predicted in place of others.

The classes of predictions are ignored when they are matched. An instance of at least 100 pixels is matched by the most
confident prediction of any class whose IoU with it is greater than 0.5; of equal confidences, by the one with the
greater IoU. Further predictions that overlap it so much are duplicates. All other predictions are background, unless
the score ignores them: more than half of their pixels are void, in a group, or in a small instance.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cityscapes.scoring import confusion_matrix
from cityscapes.scoring.instance.average_precision import IGNORED, ImageDetections, is_counted
from cityscapes.scoring.instance.matching import CLASSES, ImageMatches
from engine.arrays import Float64Array, Int64Array
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

ROWS = (*CLASSES, "duplicate", "background")
"""True classes of matched instances, and two rows for predictions that match none."""
COLUMNS = (*CLASSES, "missed")
"""Predicted classes, and a column for instances that no prediction matches."""
_DUPLICATE, _BACKGROUND, _MISSED = ROWS.index("duplicate"), ROWS.index("background"), COLUMNS.index("missed")
_MIN_IOU = 0.5
_UNMATCHED = -1


def count(matches: ImageMatches, found: ImageDetections) -> Int64Array:
    """(10, 9) confusion of one image, by `ROWS` and `COLUMNS`; each instance and each prediction is counted once.

    Args:
        matches: overlaps of the image.
        found: outcomes of its predictions.
    """
    instances, predictions, pairs = matches.instances, matches.predictions, matches.pairs
    union = instances.pixels[pairs.instance] + predictions.pixels[pairs.prediction] - pairs.pixels
    iou = pairs.pixels / union
    # Above an IoU of 0.5, a prediction has at most one partner, because instances do not overlap each other.
    near = np.flatnonzero((iou > _MIN_IOU) & is_counted(matches)[pairs.instance])
    near = near[np.lexsort((iou[near], predictions.confidence[pairs.prediction[near]]))]
    best = np.full(len(instances.pixels), _UNMATCHED)
    best[pairs.instance[near]] = pairs.prediction[near]  # the last one of each instance remains
    rows = np.where(_ignored(matches, found), _UNMATCHED, _BACKGROUND)
    rows[pairs.prediction[near]] = _DUPLICATE
    matched = np.flatnonzero(best != _UNMATCHED)
    rows[best[matched]] = instances.class_index[matched]

    confusion = np.zeros((len(ROWS), len(COLUMNS)), np.int64)
    shown = rows != _UNMATCHED
    np.add.at(confusion, (rows[shown], predictions.class_index[shown]), 1)
    missed = is_counted(matches) & (best == _UNMATCHED)
    np.add.at(confusion, (instances.class_index[missed], _MISSED), 1)
    return confusion


def _ignored(matches: ImageMatches, found: ImageDetections) -> npt.NDArray[np.bool_]:
    """(m,) whether the score ignores a prediction at an overlap of 50 %."""
    ignored = np.zeros(len(matches.predictions.pixels), np.bool_)
    for number, of_class in enumerate(found.classes):
        ignored[matches.predictions.class_index == number] = of_class.outcomes[:, 0] == IGNORED
    return ignored


def shares(confusion: Int64Array) -> Float64Array:
    """(10, 9) percent of the instances or predictions of each row."""
    return confusion_matrix.shares(confusion)


def table(confusion: Int64Array) -> str:
    """The shares in whole percent as text, see `confusion_matrix.text`, and the number of each row."""
    return confusion_matrix.text(shares(confusion), ROWS, COLUMNS, {"number": confusion.sum(1).tolist()})


def to_dataframe(confusion: Int64Array) -> "pd.DataFrame":
    """The numbers: one row per true class, named in the first column, one column per predicted class."""
    columns = dict(zip(COLUMNS, confusion.T.tolist(), strict=True))
    return Table({confusion_matrix.HEADING: ROWS, **columns}).to_dataframe()


def write_picture(path: Path, confusion: Int64Array) -> None:
    """Draw the shares as a PNG file, with the number of instances or predictions behind the name of each row."""
    confusion_matrix.write_picture(
        path,
        shares(confusion),
        [f"{name} ({number:,})" for name, number in zip(ROWS, confusion.sum(1).tolist(), strict=True)],
        COLUMNS,
        title="Predicted classes for the instances of each class (number), in percent",
        unit="instances or predictions",
        classes=len(CLASSES),
    )
