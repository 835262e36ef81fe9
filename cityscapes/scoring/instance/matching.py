"""One scene -> the overlaps of its predicted masks with the instances of the ground truth.

The ground truth is the official mask of instance ids: label id x 1000 + number for a single object, the label id alone
for groups and all other areas. Each mask is read once, and only the pixels within its bounding box are counted.
"""

from typing import NamedTuple

import numpy as np

from cityscapes.formats.instance import LABELS_WITH_INSTANCES, BoxedMask
from cityscapes.labels import LABELS
from engine.arrays import Float64Array, IdArray, Int64Array

CLASSES = tuple(label.name for label in LABELS_WITH_INSTANCES)
"""Names of the 8 classes whose instances are scored; a class is an index in this tuple."""
CLASS_OF = {label.id: number for number, label in enumerate(LABELS_WITH_INSTANCES)}
"""Label id -> class."""
FIRST_INSTANCE = 1000
"""Lowest id of a single object; lower ids are label ids."""

_CLASS_OF_LABEL = np.array([CLASS_OF.get(label_id, -1) for label_id in range(1 << 16)])
_VOID = np.array([label.id for label in LABELS if label.ignore_in_eval and label.id >= 0])
"""Label ids that are not scored. An object of such a label has another id, so its pixels do not count as void."""


class Instances(NamedTuple):
    """Areas of the 8 classes in the ground truth of a scene: single objects and groups, (n,) each."""

    class_index: Int64Array
    """Class, 0 to 7."""
    instance_id: Int64Array
    """Instance id; below 1000 for a group, or several."""
    pixels: Int64Array
    """Number of pixels."""


class Predictions(NamedTuple):
    """Predicted masks of a scene that are not empty and of the 8 classes, (m,) each."""

    class_index: Int64Array
    """Class, 0 to 7."""
    confidence: Float64Array
    """Confidence as in the text file."""
    pixels: Int64Array
    """Number of pixels."""
    void: Int64Array
    """Number of pixels where the ground truth has a label that is not scored."""


class Pairs(NamedTuple):
    """Pairs of an instance and a prediction that share pixels, of any classes, (k,) each."""

    instance: Int64Array
    """Index of the instance."""
    prediction: Int64Array
    """Index of the prediction."""
    pixels: Int64Array
    """Number of shared pixels."""


class ImageMatches(NamedTuple):
    """Overlaps of one scene; some kilobytes."""

    stem: str
    instances: Instances
    predictions: Predictions
    pairs: Pairs


class GroundTruth:
    """The ground truth of one scene.

    Args:
        instance_ids: (H, W).
    """

    def __init__(self, instance_ids: IdArray) -> None:
        self.ids = instance_ids
        self.pixels_of = _pixels_of_ids(instance_ids)
        """(n,) number of pixels of each instance id, up to the highest."""
        ids = np.flatnonzero(self.pixels_of)
        class_index = _CLASS_OF_LABEL[label_ids(ids)]
        scored = class_index >= 0
        self.instances = Instances(class_index[scored], ids[scored], self.pixels_of[ids[scored]])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.ids.shape[1], self.ids.shape[0]

    def pixels_inside(self, mask: BoxedMask) -> Int64Array:
        """(n,) number of pixels of each instance id inside of a mask."""
        height, width = mask.pixels.shape
        box = self.ids[mask.top : mask.top + height, mask.left : mask.left + width]
        return np.bincount(box[mask.pixels], minlength=len(self.pixels_of))


class Matcher:
    """Counter of the overlaps of one scene, to which masks are added one by one.

    Args:
        ground_truth: of the scene.
    """

    def __init__(self, ground_truth: GroundTruth) -> None:
        self._truth = ground_truth
        self._void = _VOID[len(ground_truth.pixels_of) > _VOID]
        self._predictions: list[tuple[int, float, int, int]] = []
        self._pairs: list[Int64Array] = []

    def add(self, class_index: int, confidence: float, mask: BoxedMask) -> None:
        """Count the pixels of a mask, whose size is that of the scene; an empty mask is not a prediction."""
        if not mask.pixels.size:
            return
        inside = self._truth.pixels_inside(mask)
        shared = inside[self._truth.instances.instance_id]
        touched = np.flatnonzero(shared)
        number = np.full(len(touched), len(self._predictions), np.int64)
        self._pairs.append(np.stack([touched, number, shared[touched]]))
        self._predictions.append((class_index, confidence, int(inside.sum()), int(inside[self._void].sum())))

    def matches(self, stem: str) -> ImageMatches:
        """The overlaps of all masks that were added."""
        class_index, confidence, pixels, void = zip(*self._predictions, strict=True) if self._predictions else [()] * 4
        predictions = Predictions(
            np.array(class_index, np.int64),
            np.array(confidence, np.float64),
            np.array(pixels, np.int64),
            np.array(void, np.int64),
        )
        pairs = np.concatenate([np.zeros((3, 0), np.int64), *self._pairs], axis=1)
        return ImageMatches(stem, self._truth.instances, predictions, Pairs(*pairs))


def label_ids(instance_ids: Int64Array) -> Int64Array:
    """The label ids of instance ids."""
    return np.where(instance_ids < FIRST_INSTANCE, instance_ids, instance_ids // 1000)


def _pixels_of_ids(ids: IdArray) -> Int64Array:
    """Number of pixels of each id; runs of neighbouring pixels are counted, in a third of the time of all pixels."""
    flat = ids.ravel()
    first = np.empty(flat.size, np.bool_)
    first[0] = True
    np.not_equal(flat[1:], flat[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    length = np.diff(starts, append=flat.size)
    return np.bincount(flat[starts], weights=length).astype(np.int64)
