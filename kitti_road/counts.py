"""One frame -> what it adds to the scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.arrays import Int64Array
from engine.errors import InputError
from kitti_road.birds_eye import COLUMNS, ROWS, homography, lookup, warp
from kitti_road.labels import VOID, read_confidence, read_truth


class Pair(NamedTuple):
    """The files of one frame."""

    prediction: Path
    truth: Path
    calibration: Path | None
    """Count in bird's-eye view with this calibration; None: in the image."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Pixels inside the evaluation area by their confidence, (256,) each."""

    positives: Int64Array
    """Those that are road or lane."""
    negatives: Int64Array
    """The others."""

    def plus(self, other: "Counts") -> "Counts":
        """The counts of both together."""
        return Counts(self.positives + other.positives, self.negatives + other.negatives)

    @property
    def true_positives(self) -> Int64Array:
        """(256,) positives that each threshold finds: those with at least this confidence."""
        return _at_least(self.positives)

    @property
    def false_positives(self) -> Int64Array:
        """(256,) negatives that each threshold takes for positives."""
        return _at_least(self.negatives)


NONE = Counts(np.zeros(256, np.int64), np.zeros(256, np.int64))


def count(pair: Pair) -> Counts:
    """Count the pixels of one frame.

    Raises:
        InputError: with everything that is wrong with its files.
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
        remedy = "this is a bird's-eye view: give the predictions in the image, the scorer warps them itself"
    else:
        remedy = "predict at full size; the sizes of the images differ from each other"
    return (
        f"{pair.prediction}: got {got[1]} x {got[0]} pixels, expected {expected[1]} x {expected[0]} as {pair.truth}; "
        f"{remedy}"
    )
