"""Scores of classes from a confusion matrix of pixels: one definition for trainings and for scorers."""

from dataclasses import dataclass

import numpy as np

from engine.arrays import Float64Array, Int64Array


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores by class as fractions from 0 to 1; NaN for a class that does not occur."""

    confusion: Int64Array
    """(C, C + 1) pixels by true class (row) and predicted class (column).

    The last column counts pixels that were predicted as no class: false negatives, but false positives of no class."""

    @property
    def iou(self) -> Float64Array:
        """(C,) intersection over union."""
        return _ratio(self._found, self._true + self._predicted - self._found)

    @property
    def dice(self) -> Float64Array:
        """(C,) Dice coefficient (F1 score): 2 x intersection over the sum of both sizes."""
        return _ratio(2 * self._found, self._true + self._predicted)

    @property
    def accuracy(self) -> Float64Array:
        """(C,) pixel accuracy (recall): the share of the pixels of a class that were predicted as it."""
        return _ratio(self._found, self._true)

    @property
    def pixel_accuracy(self) -> float:
        """Share of all pixels that are predicted correctly; NaN without pixels."""
        return float(_ratio(self._found.sum(), self._true.sum()))

    @property
    def _found(self) -> Int64Array:
        return self.confusion.diagonal()

    @property
    def _true(self) -> Int64Array:
        pixels: Int64Array = self.confusion.sum(1)
        return pixels

    @property
    def _predicted(self) -> Int64Array:
        pixels: Int64Array = self.confusion[:, :-1].sum(0)
        return pixels


def occurring(values: Float64Array) -> Float64Array:
    """The scores of the classes that occur; means are over these."""
    return values[~np.isnan(values)]


def _ratio(part: Int64Array, whole: Int64Array) -> Float64Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.true_divide(part, whole))
