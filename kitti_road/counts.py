"""One frame -> the pixel counts from which scores are computed."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.arrays import Int64Array
from engine.errors import InputError
from kitti_road.birds_eye import COLUMNS, ROWS, homography, lookup, warp
from kitti_road.labels import VOID, read_confidence, read_truth


class Pair(NamedTuple):
    """Files of one frame."""

    prediction: Path
    truth: Path
    calibration: Path | None
    """Calibration for counting in the bird's-eye view; None to count in the image."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Number of pixels inside the evaluation area by confidence, (256,) each."""

    positives: Int64Array
    """(256,) pixels that are road or lane in the ground truth."""
    negatives: Int64Array
    """(256,) pixels that are background in the ground truth."""

    def plus(self, other: "Counts") -> "Counts":
        """The sum of both counts."""
        return Counts(self.positives + other.positives, self.negatives + other.negatives)

    @property
    def true_positives(self) -> Int64Array:
        """(256,) positives with at least the confidence of each threshold."""
        return _at_least(self.positives)

    @property
    def false_positives(self) -> Int64Array:
        """(256,) negatives with at least the confidence of each threshold."""
        return _at_least(self.negatives)


NONE = Counts(np.zeros(256, np.int64), np.zeros(256, np.int64))


def count(pair: Pair) -> Counts:
    """Count the pixels of one frame.

    Raises:
        InputError: with all faults of its files.
    """
    faults: list[str] = []
    contents = []
    for read, path in ((read_truth, pair.truth), (read_confidence, pair.prediction)):
        try:
            contents.append(read(path))
        except InputError as error:
            faults += error.messages
    try:
        plane = None if pair.calibration is None else homography(pair.calibration)
    except InputError as error:
        faults += error.messages
    if faults:
        raise InputError(*faults)
    truth, confidence = contents
    if truth.shape != confidence.shape:
        raise InputError(_size_fault(pair, confidence.shape, truth.shape))
    if plane is not None:
        indices = lookup(plane, truth.shape[1], truth.shape[0])
        truth, confidence = warp(truth, indices, VOID), warp(confidence, indices)
    return Counts(*(np.bincount(confidence[truth == kind], minlength=256) for kind in (1, 0)))


def _at_least(pixels: Int64Array) -> Int64Array:
    total: Int64Array = pixels[::-1].cumsum()[::-1]
    return total


def _size_fault(pair: Pair, got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if got == (ROWS, COLUMNS):
        remedy = "this is a bird's-eye view: give predictions in the image, which the scorer warps itself"
    else:
        remedy = "predict at full size, because the images have different sizes"
    return (
        f"{pair.prediction}: got {got[1]} x {got[0]} pixels, expected {expected[1]} x {expected[0]} like {pair.truth}; "
        f"{remedy}"
    )
