"""One scene -> what it adds to the scores."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID, CATEGORIES
from cityscapes.predictions import LABEL_IDS, invalid_ids
from engine.arrays import Float64Array, IdArray, Int64Array
from engine.errors import InputError
from engine.files.images import read_ids

AVERAGE_SIZE = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "caravan": 36771.8241758242,
    "trailer": 16926.9763313609,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}
"""The average number of pixels of an instance, as the official scorer has it."""


_TABLE = tuple(BY_ID[label_id] for label_id in range(LABEL_IDS))

SCORED = np.array([not label.ignore_in_eval for label in _TABLE])
"""(34,) bool: whether a label counts in the scores."""
WITH_INSTANCES = np.array([label.has_instances for label in _TABLE])
"""(34,) bool."""
INSTANCE_SIZE = np.array([AVERAGE_SIZE.get(label.name, math.nan) for label in _TABLE])
"""(34,) float64: AVERAGE_SIZE by label id, NaN for labels without instances."""

_CATEGORY = np.array([CATEGORIES.index(label.category) for label in _TABLE])
_FIRST_INSTANCE = 1001
"""Lower instance ids are the label ids of areas that are no single instance."""
_AGAIN = "unpack gtFine_trainvaltest.zip again"


class Counts(NamedTuple):
    """What scenes add to the scores; sums of these are all that is kept of them."""

    confusion: Int64Array
    """(34, 34) pixels by label id of the ground truth (row) and of the prediction (column)."""
    instances: Int64Array
    """(34,) instances of each scored label in the ground truth."""
    hits: Float64Array
    """(34,) pixels of these with the right label, each weighed by average size / size of its instance."""
    category_hits: Float64Array
    """(34,) the same for pixels with any label of the right category."""
    contradictions: int = 0
    """Pixels whose instance id belongs to another label than their label id says."""

    def plus(self, other: "Counts") -> "Counts":
        """The counts of both."""
        return Counts(
            self.confusion + other.confusion,
            self.instances + other.instances,
            self.hits + other.hits,
            self.category_hits + other.category_hits,
            self.contradictions + other.contradictions,
        )


class Pair(NamedTuple):
    """The files of one scene."""

    stem: str
    prediction: Path
    label_ids: Path
    instance_ids: Path


class Masks(NamedTuple):
    """The content of the files of one scene, (H, W) each."""

    prediction: IdArray
    label_ids: IdArray
    instance_ids: IdArray


def read(pair: Pair) -> Masks:
    """Read the files of one scene, each once.

    Raises:
        InputError: with everything that is wrong with them, but for their ids.
    """
    masks: list[IdArray] = []
    faults: list[str] = []
    for path in pair[1:]:
        try:
            masks.append(read_ids(path))
        except InputError as error:
            faults += error.messages
    if not faults:
        faults = _size_faults(pair, *masks)
    if faults:
        raise InputError(*faults)
    return Masks(*masks)


def count(pair: Pair, masks: Masks) -> Counts:
    """Count the pixels of one scene; the pair is named in messages.

    Raises:
        InputError: with everything that is wrong with the ids.
    """
    runs = _runs(*masks)
    if faults := _id_faults(pair, runs):
        raise InputError(*faults)
    cells = runs.label_id.astype(np.intp) * LABEL_IDS + runs.prediction
    confusion = _sums(cells, runs.length, LABEL_IDS**2).astype(np.int64)
    return Counts(confusion.reshape(LABEL_IDS, LABEL_IDS), *_instance_counts(runs), _contradictions(runs))


def _size_faults(pair: Pair, prediction: IdArray, label_ids: IdArray, instance_ids: IdArray) -> list[str]:
    remedy = "predict at the size of the image: enlarge the logits before the argmax"
    height, width = label_ids.shape
    return [
        f"{path}: got {mask.shape[1]} x {mask.shape[0]} pixels, expected {width} x {height} as in labelIds; {todo}"
        for path, mask, todo in ((pair.prediction, prediction, remedy), (pair.instance_ids, instance_ids, _AGAIN))
        if mask.shape != label_ids.shape
    ]


class _Runs(NamedTuple):
    """Neighbouring pixels that agree in all three masks, (n,) each.

    Masks are made of areas: the 2 million pixels of a scene are some 20,000 runs, which are counted in a
    quarter of the time that counting every pixel takes, with instances and all.
    """

    length: Float64Array
    """Pixels: whole numbers, exact in float64, which is what bincount weighs with."""
    prediction: IdArray
    label_id: IdArray
    instance_id: IdArray

    def at(self, index: npt.NDArray[np.intp]) -> "_Runs":
        """Some of the runs."""
        return _Runs(self.length[index], self.prediction[index], self.label_id[index], self.instance_id[index])


def _runs(prediction: IdArray, label_ids: IdArray, instance_ids: IdArray) -> _Runs:
    flat = [mask.ravel() for mask in (prediction, label_ids, instance_ids)]
    first = np.zeros(flat[0].size, np.bool_)
    first[0] = True
    for ids in flat:
        first[1:] |= ids[1:] != ids[:-1]
    starts = np.flatnonzero(first)
    length = np.diff(starts, append=first.size).astype(np.float64)
    prediction, label_id, instance_id = (ids[starts] for ids in flat)
    return _Runs(length, prediction, label_id, instance_id.astype(np.uint16))  # a scene without instances has 8 bits


def _id_faults(pair: Pair, runs: _Runs) -> list[str]:
    faults = []
    if runs.prediction.max() >= LABEL_IDS:
        faults += invalid_ids(pair.prediction, _sums(runs.prediction, runs.length).astype(np.int64))
    if runs.label_id.max() >= LABEL_IDS:
        faults.append(f"{pair.label_ids}: {runs.label_id.max()} is no label id (0 to {LABEL_IDS - 1}); {_AGAIN}")
    label_id = runs.instance_id // 1000
    known = np.append(WITH_INSTANCES | ~SCORED, False)[np.minimum(label_id, LABEL_IDS)]
    if not known.all():
        wrong = runs.instance_id[~known].min()
        faults.append(f"{pair.instance_ids}: {wrong} is an instance of no label that has instances; {_AGAIN}")
    return faults


def _instance_counts(runs: _Runs) -> tuple[Int64Array, Float64Array, Float64Array]:
    """The last three of `Counts`; only the instance mask says what label an instance has."""
    of_run = runs.instance_id // 1000
    runs = runs.at(np.flatnonzero((runs.instance_id >= _FIRST_INSTANCE) & SCORED[of_run]))
    of_run = runs.instance_id // 1000
    hits = runs.length * (runs.prediction == of_run)
    category_hits = runs.length * (_CATEGORY[runs.prediction] == _CATEGORY[of_run])
    sizes = _sums(runs.instance_id, runs.length)
    found = np.flatnonzero(sizes)
    label_id = found // 1000
    weight = INSTANCE_SIZE[label_id] / sizes[found]
    return (
        _sums(label_id, np.ones(len(found)), LABEL_IDS).astype(np.int64),
        _sums(label_id, _sums(runs.instance_id, hits)[found] * weight, LABEL_IDS),
        _sums(label_id, _sums(runs.instance_id, category_hits)[found] * weight, LABEL_IDS),
    )


def _contradictions(runs: _Runs) -> int:
    label_id = np.where(runs.instance_id < 1000, runs.instance_id, runs.instance_id // 1000)
    return int(runs.length[label_id != runs.label_id].sum())


def _sums(ids: npt.NDArray[np.integer[Any]], weights: Float64Array, size: int = 0) -> Float64Array:
    """The sum of the weights of each id, (size,) or longer."""
    return np.bincount(ids, weights=weights, minlength=size).astype(np.float64, copy=False)
