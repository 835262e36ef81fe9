"""One scene -> the pixel and instance counts from which scores are computed."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID, CATEGORIES
from cityscapes.predictions import LABEL_IDS, invalid_ids
from engine.arrays import Float64Array, IdArray, Int64Array, true_positions
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
"""Average number of pixels of an instance by label name, from the official scorer."""

_TABLE = tuple(BY_ID[label_id] for label_id in range(LABEL_IDS))

SCORED = np.array([not label.ignore_in_eval for label in _TABLE])
"""(34,) bool: whether a label id is scored."""
WITH_INSTANCES = np.array([label.has_instances for label in _TABLE])
"""(34,) bool: whether a label id has instances."""
INSTANCE_SIZE = np.array([AVERAGE_SIZE.get(label.name, math.nan) for label in _TABLE])
"""(34,) float64: AVERAGE_SIZE by label id, NaN for labels without instances."""

_CATEGORY = np.array([CATEGORIES.index(label.category) for label in _TABLE])
_FIRST_INSTANCE = 1001
"""Lowest id of a single instance; lower ids are the label ids of all other areas."""
_AGAIN = "unpack gtFine_trainvaltest.zip again"


class Counts(NamedTuple):
    """Counts of one or more scenes; scores are computed from their sums."""

    confusion: Int64Array
    """(34, 34) pixels by label id of the ground truth (row) and of the prediction (column)."""
    instances: Int64Array
    """(34,) number of instances of each scored label in the ground truth."""
    hits: Float64Array
    """(34,) correctly predicted pixels of these instances, each weighted by average size / size of its instance."""
    category_hits: Float64Array
    """(34,) like `hits`, for pixels whose predicted label is of the correct category."""
    contradictions: int = 0
    """Number of pixels whose instance id belongs to a different label than their label id."""

    def plus(self, other: "Counts") -> "Counts":
        """The sum of both counts."""
        return Counts(
            self.confusion + other.confusion,
            self.instances + other.instances,
            self.hits + other.hits,
            self.category_hits + other.category_hits,
            self.contradictions + other.contradictions,
        )


class Pair(NamedTuple):
    """Prediction and official masks of one scene."""

    stem: str
    prediction: Path
    label_ids: Path
    instance_ids: Path


class Masks(NamedTuple):
    """Ids in the files of one scene, (H, W) each."""

    prediction: IdArray
    label_ids: IdArray
    instance_ids: IdArray


def read(pair: Pair) -> Masks:
    """Read the three files of one scene.

    Raises:
        InputError: with all faults except those of the ids, which `count` checks.
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
    """Count the pixels and instances of one scene; messages name the files of the pair.

    Raises:
        InputError: with all invalid ids.
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
        f"{path}: got {mask.shape[1]} x {mask.shape[0]} pixels, expected {width} x {height} like labelIds; {todo}"
        for path, mask, todo in ((pair.prediction, prediction, remedy), (pair.instance_ids, instance_ids, _AGAIN))
        if mask.shape != label_ids.shape
    ]


class _Runs(NamedTuple):
    """Runs of neighbouring pixels that have the same ids in all three masks, (n,) each.

    Masks consist of areas, so the 2 million pixels of a scene form about 20,000 runs. Counting the runs takes a quarter
    of the time of counting every pixel, instances included.
    """

    length: Float64Array
    """Pixels of each run: whole numbers, exact in float64, the dtype of the weights of `bincount`."""
    prediction: IdArray
    label_id: IdArray
    instance_id: IdArray

    def at(self, index: npt.NDArray[np.intp]) -> "_Runs":
        """The runs at these indices."""
        return _Runs(self.length[index], self.prediction[index], self.label_id[index], self.instance_id[index])


def _runs(prediction: IdArray, label_ids: IdArray, instance_ids: IdArray) -> _Runs:
    flat = [mask.ravel() for mask in (prediction, label_ids, instance_ids)]
    first = np.zeros(flat[0].size, np.bool_)
    first[0] = True
    for ids in flat:
        first[1:] |= ids[1:] != ids[:-1]
    starts = true_positions(first)
    length = np.diff(starts, append=first.size).astype(np.float64)
    prediction, label_id, instance_id = (ids[starts] for ids in flat)
    return _Runs(length, prediction, label_id, instance_id.astype(np.uint16))  # a scene without instances has 8 bits


def _id_faults(pair: Pair, runs: _Runs) -> list[str]:
    faults = []
    if runs.prediction.max() >= LABEL_IDS:
        faults += invalid_ids(pair.prediction, _sums(runs.prediction, runs.length).astype(np.int64))
    if runs.label_id.max() >= LABEL_IDS:
        faults.append(f"{pair.label_ids}: {runs.label_id.max()} is not a label id (0 to {LABEL_IDS - 1}); {_AGAIN}")
    label_id = runs.instance_id // 1000
    known = np.append(WITH_INSTANCES | ~SCORED, False)[np.minimum(label_id, LABEL_IDS)]
    if not known.all():
        wrong = runs.instance_id[~known].min()
        faults.append(f"{pair.instance_ids}: got instance id {wrong}, whose label has no instances; {_AGAIN}")
    return faults


def _instance_counts(runs: _Runs) -> tuple[Int64Array, Float64Array, Float64Array]:
    """`instances`, `hits` and `category_hits` of `Counts`; the label of an instance is that of its instance id."""
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
    """Sum of the weights of each id, (size,) or longer."""
    return np.bincount(ids, weights=weights, minlength=size).astype(np.float64, copy=False)
