"""Average precision of instances: the official protocol, from the outcome of each prediction at each overlap.

The protocol extends that of COCO (Lin et al. 2014) and Hariharan et al. 2014, "Simultaneous Detection and
Segmentation": 10 minimum overlaps, a precision for each different confidence, and no interpolation of the curve.
"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.scoring.instance.matching import CLASSES, FIRST_INSTANCE, ImageMatches
from engine.arrays import Float64Array, Int64Array

OVERLAPS = np.arange(0.5, 1.0, 0.05)
"""(10,) a prediction is right if its IoU with an instance is greater than this; a figure for each of them."""
MIN_PIXELS = 100
"""Number of pixels from which an instance counts."""

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1
"""Outcomes of a prediction at an overlap."""

_CHARACTERS = {TRUE_POSITIVE: "1", FALSE_POSITIVE: "0", IGNORED: "-"}
_OUTCOMES = {character: outcome for outcome, character in _CHARACTERS.items()}
_OUTCOME_TEXT = re.compile("[10-]{10}")
_MOST = 1 << 20
"""Most instances of a class in an image that a file may state."""


class Detections(NamedTuple):
    """Outcomes of the predictions of one class in one or more images; the average precision follows from them alone."""

    confidences: Float64Array
    """(n,) confidence of each prediction, also of those that are ignored."""
    outcomes: npt.NDArray[np.int8]
    """(n, 10) outcome of each prediction at each overlap: 1 true positive, 0 false positive, -1 ignored."""
    instances: int
    """Number of instances of at least `MIN_PIXELS` in the ground truth."""

    def missed(self) -> Int64Array:
        """(10,) number of instances without a prediction at each overlap (false negatives at any confidence)."""
        found: Int64Array = (self.outcomes == TRUE_POSITIVE).sum(0, dtype=np.int64)
        return self.instances - found

    def to_json(self) -> dict[str, Any]:
        """The outcomes as JSON content: ten characters for each prediction, 1 and 0 for right and wrong, - ignored."""
        texts = ["".join(_CHARACTERS[outcome] for outcome in row) for row in self.outcomes.tolist()]
        return {"instances": self.instances, "confidences": self.confidences.tolist(), "outcomes": texts}


class ImageDetections(NamedTuple):
    """Outcomes of the predictions of one image."""

    stem: str
    classes: tuple[Detections, ...]
    """Outcomes by class, in the order of `CLASSES`."""

    def to_json(self) -> dict[str, Any]:
        """Class name -> its outcomes; classes without instances and predictions are left out."""
        pairs = zip(CLASSES, self.classes, strict=True)
        return {name: found.to_json() for name, found in pairs if found.instances or found.confidences.size}


def detections(matches: ImageMatches) -> ImageDetections:
    """The outcomes of the predictions of one image.

    An instance is found by the most confident prediction of its class that overlaps it enough. The others that do are
    false positives. A prediction is ignored if it overlaps a group or a small instance enough, or if it matches
    nothing and more than that share of its pixels is void, in a group, or in a small instance.
    """
    outcomes = _outcomes(matches)
    counted = is_counted(matches)
    of_class = [matches.predictions.class_index == number for number in range(len(CLASSES))]
    instances = np.bincount(matches.instances.class_index[counted], minlength=len(CLASSES)).tolist()
    return ImageDetections(
        matches.stem,
        tuple(
            Detections(matches.predictions.confidence[chosen], outcomes[chosen], instances[number])
            for number, chosen in enumerate(of_class)
        ),
    )


def is_counted(matches: ImageMatches) -> npt.NDArray[np.bool_]:
    """(n,) whether an instance counts: it is a single object, and large enough."""
    return (matches.instances.instance_id >= FIRST_INSTANCE) & (matches.instances.pixels >= MIN_PIXELS)


def _outcomes(matches: ImageMatches) -> npt.NDArray[np.int8]:
    """(m, 10) outcomes of the predictions of all classes."""
    instances, predictions, pairs = matches.instances, matches.predictions, matches.pairs
    same = instances.class_index[pairs.instance] == predictions.class_index[pairs.prediction]
    order = np.flatnonzero(same)
    order = order[np.argsort(predictions.confidence[pairs.prediction[order]], kind="stable")]
    instance, prediction, shared = pairs.instance[order], pairs.prediction[order], pairs.pixels[order]

    # An area that is both a group and small is subtracted twice, as in the official script.
    times = (instances.instance_id < FIRST_INSTANCE).astype(np.int64) + (instances.pixels < MIN_PIXELS)
    unscored = predictions.void.copy()
    np.add.at(unscored, prediction, shared * times[instance])
    share = unscored / predictions.pixels
    outcomes = np.where(share[:, None] > OVERLAPS, IGNORED, FALSE_POSITIVE).astype(np.int8)

    # Above an overlap of 0.5, a prediction has at most one partner, because instances do not overlap each other.
    union = instances.pixels[instance] + predictions.pixels[prediction] - shared
    pair, overlap = np.nonzero((shared / union)[:, None] > OVERLAPS)
    counts = is_counted(matches)[instance[pair]]
    outcomes[prediction[pair], overlap] = np.where(counts, FALSE_POSITIVE, IGNORED)

    # In the order of rising confidence, so that the most confident prediction of an instance remains.
    best = np.full((len(instances.pixels), len(OVERLAPS)), -1)
    best[instance[pair[counts]], overlap[counts]] = prediction[pair[counts]]
    found, overlap = np.nonzero(best >= 0)
    outcomes[best[found, overlap], overlap] = TRUE_POSITIVE
    return outcomes


def merged(parts: Sequence[Detections]) -> Detections:
    """The outcomes of several images together."""
    return Detections(
        np.concatenate([np.zeros(0), *(part.confidences for part in parts)]),
        np.concatenate([np.zeros((0, len(OVERLAPS)), np.int8), *(part.outcomes for part in parts)]),
        sum(part.instances for part in parts),
    )


def average_precisions(images: Sequence[ImageDetections]) -> Float64Array:
    """(8, 10) average precision of each class at each overlap over all images, see `average_precision`."""
    return np.array(
        [average_precision(merged([image.classes[number] for image in images])) for number in range(len(CLASSES))]
    )


def average_precision(found: Detections) -> Float64Array:
    """(10,) average precision of a class at each overlap; NaN without instances, 0 without predictions."""
    if not found.instances:
        return np.full(len(OVERLAPS), math.nan)
    return np.array(
        [
            _area(found.confidences, found.outcomes[:, number], missed)
            for number, missed in enumerate(found.missed().tolist())
        ]
    )


def _area(confidences: Float64Array, outcomes: npt.NDArray[np.int8], missed: int) -> float:
    """Area under the curve of precision and recall, by the same operations as the official script.

    If all predictions are ignored, the area is 0, where the official script fails.
    """
    kept = outcomes != IGNORED
    order = np.argsort(confidences[kept], kind="stable")
    thresholds = confidences[kept][order]
    hits_below = np.append(0.0, np.cumsum(outcomes[kept][order] == TRUE_POSITIVE, dtype=np.float64))
    _, first = np.unique(thresholds, return_index=True)  # one point of the curve for each different confidence
    below = hits_below[first]
    hits = hits_below[-1] - below
    precision = np.append(hits / (len(thresholds) - first), 1.0)
    recall = np.append(hits / (hits_below[-1] + missed), 0.0)
    widths = np.convolve(np.concatenate([recall[:1], recall, [0.0]]), [-0.5, 0, 0.5], "valid")
    return float(np.dot(precision, widths))


def from_json(content: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[ImageDetections]:
    """The outcomes in the `images` of a result file, in the order of the file.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: if the content is invalid.
    """
    return [
        ImageDetections(stem, tuple(_from_json(of[name]) if name in of else _NONE for name in _known(of)))
        for stem, of in content.items()
    ]


_NONE = Detections(np.zeros(0), np.zeros((0, len(OVERLAPS)), np.int8), 0)


def _known(classes: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all classes; ValueError if there are others among those of an image."""
    if unknown := classes.keys() - set(CLASSES):
        raise ValueError(f"expected classes with instances, got {sorted(unknown)[0]}")
    return CLASSES


def _from_json(content: Mapping[str, Any]) -> Detections:
    instances, confidences, texts = content["instances"], content["confidences"], content["outcomes"]
    if type(instances) is not int or not 0 <= instances <= _MOST:
        raise ValueError("expected the number of instances")
    if not all(type(number) in (int, float) and abs(number) <= sys.float_info.max for number in confidences):
        raise ValueError("expected confidences, which are finite numbers")
    if len(confidences) != len(texts) or not all(_OUTCOME_TEXT.fullmatch(text) for text in texts):
        raise ValueError(f"expected outcomes of {len(OVERLAPS)} characters for each confidence")
    outcomes = np.array([[_OUTCOMES[character] for character in text] for text in texts], np.int8)
    found = Detections(np.array(confidences, np.float64), outcomes.reshape(-1, len(OVERLAPS)), instances)
    if found.missed().min() < 0:
        raise ValueError("expected at most as many true positives as instances")
    return found
