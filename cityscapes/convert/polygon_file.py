"""Polygon files of Cityscapes, from which `python generate_gt.py --polygons DIR` draws masks.

<folders>/<stem>_gtFine_polygons.json     imgHeight, imgWidth and objects, each with a label and a polygon [[x, y], ...]
"""

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.convert.faults import SegmentationError, shown
from cityscapes.labels import LabelTable
from cityscapes.layout import ANNOTATIONS, IMAGES
from engine.errors import InputError
from engine.files.atomic import write_text

_MAX_SIDE, _MAX_PIXELS = 1 << 15, 1 << 28
"""Limits of `generate_gt.py`."""
MIN_VERTICES = 3
_LONGEST_NAME = 200
"""Largest length of the name of a file or folder; file systems allow about 255 bytes."""


class LabelledPolygon(NamedTuple):
    """One object of a polygon file."""

    label: str
    polygon: list[list[int]]
    """[x, y] of the vertices, in whole pixels."""


class Annotated(NamedTuple):
    """The objects of one image, in the order in which they are drawn."""

    stem: PurePosixPath
    """Path of the image without its suffix, relative to the new folder."""
    width: int
    height: int
    objects: list[LabelledPolygon]


def write(folder: Path, annotated: Annotated) -> None:
    """Write the polygon file of an image into a folder."""
    content = {
        "imgHeight": annotated.height,
        "imgWidth": annotated.width,
        "objects": [entry._asdict() for entry in annotated.objects],
    }
    path = folder / annotated.stem.parent / f"{annotated.stem.name}_{ANNOTATIONS}_polygons.json"
    write_text(path, json.dumps(content))


def stem_of(name: str) -> PurePosixPath | None:
    """The path of an image without its suffix and `_leftImg8bit`; None if it leaves its folder or is odd."""
    if not name.isprintable() or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return None
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or max(map(len, path.parts)) > _LONGEST_NAME:
        return None
    return path.with_name(path.stem.removesuffix(f"_{IMAGES}") or path.stem)


def size_fault(width: Any, height: Any) -> str | None:
    """The fault of the size of an image; None if polygons can be drawn on it."""
    if not all(type(side) is int and 0 < side <= _MAX_SIDE for side in (width, height)):
        return f"an image of {shown(width)} x {shown(height)}, expected sides of 1 to {_MAX_SIDE:,} pixels"
    if width * height > _MAX_PIXELS:
        return f"an image of {width} x {height}, expected at most {_MAX_PIXELS:,} pixels"
    return None


def label_fault(name: Any, table: LabelTable) -> str | None:
    """The fault of the label of an object, with a similar label; None if the table has it."""
    if not isinstance(name, str):
        return f"label is {shown(name)}, expected text"
    try:
        table.find(name)
    except InputError:
        close = difflib.get_close_matches(name[:60].lower().replace("_", " "), table.by_name, 1, 0.75)
        return f"label {shown(name)}, expected one of the label table" + (f", perhaps {close[0]!r}" if close else "")
    return None


def whole(vertices: npt.NDArray[np.float64]) -> list[list[int]]:
    """The pixels that contain (N, 2) vertices, without repetitions in a row.

    Raises:
        SegmentationError: if fewer than three vertices remain, or all of them are in one line of pixels.
    """
    pixels: list[list[int]] = np.floor(vertices).astype(np.int64).tolist()
    kept = [pixel for place, pixel in enumerate(pixels) if pixel != pixels[place - 1]]
    if len(kept) < MIN_VERTICES or len({y for _, y in kept}) < 2:
        raise SegmentationError(f"a polygon of {len(kept)} different pixels in a row, expected one that covers an area")
    return kept


def rectangle(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(4, 2) vertices of the rectangle between (2, 2) opposite corners."""
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def duplicates(annotated: Sequence[tuple[PurePosixPath, str]]) -> list[str]:
    """A message for each name that an earlier image has already.

    Args:
        annotated: stem in the new folder, and the entry for messages.
    """
    first: dict[PurePosixPath, str] = {}
    return [
        f"{where}: {stem} would be written twice, as for {first[stem]}; rename one of the images"
        for stem, where in annotated
        if first.setdefault(stem, where) != where
    ]
