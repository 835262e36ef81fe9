"""gtFine polygon files -> masks."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes import fill
from cityscapes.labels import COLOR_OF, TRAIN_ID_OF, find
from engine.faults import InputError
from engine.images import UInt8Array

_MAX_SIDE = 1 << 15
_MAX_COORDINATE = 1 << 23
"""Beyond this, float32 no longer tells neighbouring pixels apart."""


class Shape(NamedTuple):
    """One annotated object."""

    label: str
    polygon: fill.Polygon


class Annotation(NamedTuple):
    """What one polygon file says, deleted objects left out."""

    width: int
    height: int
    shapes: list[Shape]
    """In painting order: later objects lie over earlier ones."""


class Masks(NamedTuple):
    """The masks of one scene."""

    label_ids: UInt8Array
    """(H, W), 0 to 33."""
    instance_ids: npt.NDArray[np.uint16]
    """(H, W), 1000 x label id + number of the object where the class has instances, else the label id."""

    @property
    def train_ids(self) -> UInt8Array:
        """(H, W), 0 to 18, void is 255."""
        return TRAIN_ID_OF[self.label_ids]

    @property
    def colors(self) -> UInt8Array:
        """(H, W, 3) RGB."""
        return COLOR_OF[self.label_ids]


def read(path: Path) -> Annotation:
    """Read a polygon file.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except ValueError as error:
        raise InputError(f"{path}: broken JSON ({error}); unpack gtFine_trainvaltest.zip again") from error
    try:
        width, height, objects = content["imgWidth"], content["imgHeight"], content["objects"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: expected imgWidth, imgHeight and objects at the top, as in gtFine") from error
    if not all(isinstance(side, int) and 0 < side <= _MAX_SIDE for side in (width, height)):
        raise InputError(f"{path}: expected an image size of 1 to {_MAX_SIDE} pixels, got {width} x {height}")
    if not isinstance(objects, list):
        raise InputError(f"{path}: expected a list of objects, got {type(objects).__name__}")

    shapes, faults = [], []
    for number, entry in enumerate(objects):
        try:
            shape = _shape(entry)
        except InputError as error:
            faults.append(f"{path}: object {number}: {error}")
        else:
            if shape is not None:
                shapes.append(shape)
    if faults:
        raise InputError(*faults)
    return Annotation(width, height, shapes)


def _shape(entry: Any) -> Shape | None:
    """Check one object; None if it was deleted by the annotators."""
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise InputError("expected a label and a polygon")
    if entry.get("deleted"):
        return None
    label = entry["label"]
    find(label)
    try:
        vertices = np.array(entry["polygon"], np.float64)
        whole = np.trunc(vertices)
        if vertices.ndim != 2 or vertices.shape[1] != 2 or not (np.abs(whole) < _MAX_COORDINATE).all():
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{label}: expected a polygon as a list of [x, y]") from error
    return Shape(label, whole.astype(np.int64))


def draw(annotation: Annotation) -> Masks:
    """Paint the objects of a scene in their order."""
    label_of = [0]  # by painted value; 0 is the background, `unlabeled`
    instance_of = [0]
    polygons: list[fill.Polygon] = []
    seen: dict[int, int] = {}  # instances so far by label id, those that end up hidden too
    for name, polygon in annotation.shapes:
        label, group = find(name)
        if label.id < 0:
            continue
        instance = label.id
        if label.has_instances and not group:
            number = seen.get(label.id, 0)
            seen[label.id] = number + 1
            instance = 1000 * label.id + number
        polygons.append(polygon)
        label_of.append(label.id)
        instance_of.append(instance)

    owner = np.zeros((annotation.height, annotation.width), np.uint16)
    fill.paint(polygons, range(1, len(polygons) + 1), owner)
    return Masks(np.array(label_of, np.uint8)[owner], np.array(instance_of, np.uint16)[owner])
