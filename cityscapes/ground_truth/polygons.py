"""Polygon files in the format of gtFine -> masks."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.ground_truth import fill, pillow_fill
from cityscapes.labels import OFFICIAL, LabelTable
from engine.arrays import Int64Array, UInt8Array
from engine.errors import InputError
from engine.files.content import read_bytes

Fill = Callable[[Sequence[fill.Polygon], int, int], fill.Pieces]
"""Polygon fill: takes polygons, width and height of the image, and returns the painted image."""
FILLS: dict[str, Fill] = {"exact": fill.pieces, "pillow": pillow_fill.pieces}
"""Name -> polygon fill rule: that of the official masks, or that of the installed Pillow."""

INSTANCES = 1000
"""An instance id is label id x INSTANCES + number of the object."""

_MAX_SIDE = 1 << 15
_MAX_PIXELS = 1 << 28
_MAX_COORDINATE = 1 << 23
"""Limit of coordinates, because float32 cannot represent the centres of pixels beyond it."""
_NUMBERS = {int, float}
"""Types of valid coordinates; bool, which Python and NumPy take for a number, is not one of them."""
_DELETED = {None, 0, 1}
"""Valid values of `deleted`; None stands for a missing entry, which means not deleted."""


class Shape(NamedTuple):
    """One annotated object."""

    label: str
    """Name of the label, or of its group."""
    polygon: fill.Polygon
    """(N, 2) vertices in pixels."""


class Annotation(NamedTuple):
    """Content of one polygon file, without deleted objects."""

    width: int
    height: int
    shapes: list[Shape]
    """Objects in painting order: later ones cover earlier ones."""


@dataclass(frozen=True)
class Masks:
    """Masks of one scene, each drawn on access."""

    pieces: fill.Pieces
    """The painted image, as pieces of the background and of each object."""
    label_of: UInt8Array
    """(1 + objects,) label ids of the background and of each object."""
    instance_of: Int64Array
    """(1 + objects,) instance ids of the background and of each object; too many objects reach the next label's ids."""
    table: LabelTable = OFFICIAL
    """Label table of the annotation."""

    @cached_property
    def label_ids(self) -> UInt8Array:
        """(H, W) label ids, 0 to 33 in the official table."""
        return self.pieces.image(self.label_of)

    @cached_property
    def instance_ids(self) -> npt.NDArray[np.uint16]:
        """(H, W) instance ids: 1000 x label id + number of the object; the label id if the class has no instances.

        Raises:
            InputError: for every label with too many objects.
        """
        self.require_distinct_instances()
        return self.pieces.image(self.instance_of.astype(np.uint16))

    def require_distinct_instances(self) -> None:
        """Check that no instance id reaches those of the next label.

        Raises:
            InputError: for every label with too many objects.
        """
        many = (self.instance_of >= INSTANCES) & (self.instance_of // INSTANCES != self.label_of)
        if many.any():
            number = np.bincount(self.label_of[self.instance_of >= INSTANCES], minlength=256)
            remedy = "there are no ids for more; leave out --instance_ids and --panoptic, or cut the image into parts"
            raise InputError(
                *(
                    f"{number[of]} objects of {self.table.names[of]}, expected at most {INSTANCES} of a label: {remedy}"
                    for of in np.unique(self.label_of[many]).tolist()
                )
            )

    @property
    def train_ids(self) -> UInt8Array:
        """(H, W) train ids, 0 to 18 in the official table; void is 255."""
        return self.pieces.image(self.table.train_id_of[self.label_of])

    @property
    def colors(self) -> UInt8Array:
        """(H, W, 3) RGB colours of the label ids."""
        return self.table.color_of.take(self.label_ids, axis=0)


def read(path: Path, table: LabelTable = OFFICIAL) -> Annotation:
    """Read a polygon file whose labels are those of the table.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    width, height, objects = _content(path)
    shapes = _all_at_once(objects, table)
    return Annotation(width, height, _one_by_one(path, objects, table) if shapes is None else shapes)


def _all_at_once(objects: list[Any], table: LabelTable) -> list[Shape] | None:
    """The objects if all are valid, otherwise None; it takes a third of the time of checking one by one."""
    try:
        kept = [entry for entry in objects if not entry.get("deleted")]
        for label in {entry["label"] for entry in kept}:
            table.find(label)
        pairs = list(chain.from_iterable(entry["polygon"] for entry in kept))
        numbers = list(chain.from_iterable(pairs))
        odd = any(len(pair) != 2 for pair in pairs) or not set(map(type, numbers)) <= _NUMBERS
        if odd or not {entry.get("deleted") for entry in objects} <= _DELETED:
            return None
        vertices = _vertices(np.array(numbers).reshape(-1, 2))  # a flat list takes two thirds of the time
        lengths = [len(entry["polygon"]) for entry in kept]
    except (InputError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    if 0 in lengths:
        return None
    parts = zip(kept, lengths, accumulate(lengths), strict=True)
    return [Shape(entry["label"], vertices[end - length : end]) for entry, length, end in parts]


def _one_by_one(path: Path, objects: list[Any], table: LabelTable) -> list[Shape]:
    """The objects, checked one by one.

    Raises:
        InputError: for every faulty object.
    """
    shapes, faults = [], []
    for number, entry in enumerate(objects):
        try:
            shape = _shape(entry, table)
        except InputError as error:
            faults.append(f"{path}: object {number}: {error}")
        else:
            if shape is not None:
                shapes.append(shape)
    if faults:
        raise InputError(*faults)
    return shapes


def _content(path: Path) -> tuple[int, int, list[Any]]:
    """Width, height and unchecked objects of a polygon file."""
    try:
        content = json.loads(read_bytes(path), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: broken JSON ({error}); unpack or export it again") from error
    try:
        width, height, objects = content["imgWidth"], content["imgHeight"], content["objects"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: expected imgWidth, imgHeight and objects, as in gtFine; export it again") from error
    if not all(type(side) is int and 0 < side <= _MAX_SIDE for side in (width, height)):  # bool is a subclass of int
        got = f"{repr(width)[:20]} x {repr(height)[:20]}"
        raise InputError(f"{path}: expected an image size of 1 to {_MAX_SIDE} pixels, got {got}")
    if width * height > _MAX_PIXELS:
        raise InputError(f"{path}: expected at most {_MAX_PIXELS:,} pixels, got {width} x {height}; tile the image")
    if not isinstance(objects, list):
        raise InputError(f"{path}: expected a list of objects, got {type(objects).__name__}")
    return width, height, objects


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object with unique keys; by default, `json` would silently keep the last of several."""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"the key {twice[:20]!r} appears twice")
    return content


def _shape(entry: Any, table: LabelTable) -> Shape | None:
    """One object, checked; None if it was deleted by the annotators."""
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise InputError("expected a label and a polygon")
    label, deleted = entry["label"], entry.get("deleted")
    if deleted not in tuple(_DELETED):
        raise InputError(f"{label[:60]}: deleted is {repr(deleted)[:20]}, expected 0 or 1")
    if deleted:
        return None
    table.find(label)
    try:
        vertices = _vertices(np.array(entry["polygon"]))
        if set(map(type, chain.from_iterable(entry["polygon"]))) <= _NUMBERS:
            return Shape(label, vertices)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{label}: expected a polygon as a list of [x, y]") from error
    raise InputError(f"{label}: expected a polygon as a list of [x, y]")


def _vertices(given: npt.NDArray[Any]) -> fill.Polygon:
    """(N, 2) integer parts of [x, y] pairs."""
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "if":
        raise ValueError
    whole = np.trunc(given)
    if not (np.abs(whole) < _MAX_COORDINATE).all():
        raise ValueError
    vertices: fill.Polygon = whole.astype(np.int64)
    return vertices


def draw(annotation: Annotation, table: LabelTable = OFFICIAL, fill_with: Fill = fill.pieces) -> Masks:
    """Paint the objects of a scene in their order."""
    label_of = [0]  # the background, `unlabeled`
    instance_of = [0]
    polygons: list[fill.Polygon] = []
    seen: Counter[int] = Counter()  # label id -> instances so far, including those that end up hidden
    for name, polygon in annotation.shapes:
        label, group = table.find(name)
        if label.id < 0:
            continue
        polygons.append(polygon)
        label_of.append(label.id)
        if label.has_instances and not group:
            instance_of.append(INSTANCES * label.id + seen[label.id])
            seen[label.id] += 1
        else:
            instance_of.append(label.id)
    pieces = fill_with(polygons, annotation.width, annotation.height)
    return Masks(pieces, np.array(label_of, np.uint8), np.array(instance_of, np.int64), table)
