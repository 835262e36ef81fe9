"""The confusion of classes in pixels: text table, CSV file and picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cityscapes.labels import BY_ID
from cityscapes.predictions import LABEL_IDS
from cityscapes.scoring import confusion_matrix
from cityscapes.scoring.pixel.counts import SCORED
from engine.arrays import Float64Array, Int64Array
from engine.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_NAMES = tuple(BY_ID[label_id].name for label_id in range(LABEL_IDS))
_CLASSES = tuple(np.array(_NAMES)[SCORED].tolist())
_COLUMNS = (*_CLASSES, "unscored")


def shares(confusion: Int64Array) -> Float64Array:
    """(19, 20) percent of the pixels of each scored class (row) per predicted class; last column: unscored labels."""
    rows = confusion[SCORED]
    return confusion_matrix.shares(np.column_stack([rows[:, SCORED], rows[:, ~SCORED].sum(1)]))


def table(confusion: Int64Array) -> str:
    """The shares in whole percent as text; `.` for less than half a percent, `-` for a class that does not occur."""
    headings = [name.split()[-1][:5] for name in _COLUMNS]
    return confusion_matrix.text(shares(confusion), _CLASSES, headings)


def to_dataframe(confusion: Int64Array) -> "pd.DataFrame":
    """Pixel counts of all 34 labels: one row per true label, named in the first column, one column per predicted label.

    Args:
        confusion: (34, 34) pixels by label id of the ground truth (row) and of the prediction (column).
    """
    return Table(
        {confusion_matrix.HEADING: _NAMES, **dict(zip(_NAMES, confusion.T.tolist(), strict=True))}
    ).to_dataframe()


def write_picture(path: Path, confusion: Int64Array) -> None:
    """Draw the shares as a PNG file."""
    title = "Predicted classes for the pixels of each class, in percent"
    confusion_matrix.write_picture(path, shares(confusion), _CLASSES, _COLUMNS, title=title, unit="pixels")
