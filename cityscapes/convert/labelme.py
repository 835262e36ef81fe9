"""Annotations of labelme, versions 3 to 5 -> polygon files of Cityscapes.

labelme writes one JSON file per image: `shapes` (label, points, shape_type, group_id), `imagePath`, `imageHeight`,
`imageWidth`, and often the image itself as `imageData`, which is not used here. Shapes are drawn in the order of the
file.
"""

import base64
import math
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.convert import polygon_file, reference
from cityscapes.convert.coco_polygon import coordinates
from cityscapes.convert.faults import Faults, SegmentationError, shown
from cityscapes.convert.outline import polygons_of
from cityscapes.convert.output import Conversion
from cityscapes.convert.polygon_file import Annotated, LabelledPolygon
from cityscapes.labels import OFFICIAL, LabelTable
from engine.errors import InputError
from engine.files.folders import find
from engine.files.images import decode_image
from engine.files.new_folder import complete_folder, require_new
from engine.findings import counted
from engine.parallel import parallel_map

_TOLERANCE = 0.25
"""Largest distance in pixels between a circle and its polygon."""
_NO_AREA = ("line", "linestrip", "point", "points")


class Written(NamedTuple):
    """The outcome for one image."""

    objects: int
    split: int
    """Number of masks with several parts, each of which became an object."""
    grouped: int
    """Number of shapes that share label and group id with another, and became one object each."""
    faults: list[str]


def convert(
    folder: Path, new: Path, *, table: LabelTable = OFFICIAL, skip_faulty: bool = False, workers: int = 1
) -> Conversion:
    """Convert all annotations of labelme in a folder and its subfolders to polygon files in a new folder.

    Args:
        folder: to search for JSON files.
        new: folder to write, with the same subfolders.
        table: labels that objects may have.
        skip_faulty: leave out faulty files and shapes instead of writing nothing.
        workers: number of processes.

    Raises:
        InputError: with every faulty file and shape.
    """
    require_new(folder, new)
    if not folder.is_dir():
        got = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {got}; give the folder with the JSON files of labelme")
    paths = find(folder, "*.json")
    if not paths:
        raise InputError(f"{folder}: no JSON file in it or below; give the folder in which labelme saved its files")
    stems = {path: _stem(folder, path) for path in paths}
    faults = Faults()
    faults.add(*polygon_file.duplicates([(stem, str(path)) for path, stem in stems.items()]))
    faults.settled(skip=False)
    written: list[Written] = []
    with complete_folder(new) as part:
        for _, done in parallel_map(partial(_convert, stems, part, table), paths, workers=workers, title="convert"):
            if isinstance(done, InputError):
                faults.add(*done.messages)
            else:
                written.append(done)
                faults.add(*done.faults)
        skipped = faults.settled(skip=skip_faulty)
        if not written:
            raise InputError(*skipped)
    notes = _notes(sum(one.split for one in written), sum(one.grouped for one in written))
    return Conversion(len(written), sum(one.objects for one in written), "", notes, skipped)


def _stem(folder: Path, path: Path) -> PurePosixPath:
    relative = PurePosixPath(path.relative_to(folder).as_posix())
    return polygon_file.stem_of(relative.as_posix()) or relative.with_suffix("")


def _notes(split: int, grouped: int) -> tuple[str, ...]:
    notes = []
    if split:
        notes.append(f"{counted(split, 'mask')} of several parts: each part became an object")
    if grouped:
        notes.append(f"{counted(grouped, 'shape')} with the group_id of another: each became an object")
    return tuple(notes)


def _convert(stems: dict[Path, PurePosixPath], part: Path, table: LabelTable, path: Path) -> Written:
    """Convert one file.

    Raises:
        InputError: if it is not an annotation of labelme.
    """
    document = reference.read_document(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise InputError(f"{path}: got {shown(document)}, expected shapes, imageHeight, imageWidth; save it in labelme")
    width: Any = document.get("imageWidth")
    height: Any = document.get("imageHeight")
    if fault := polygon_file.size_fault(width, height):
        raise InputError(f"{path}: {fault}; open it in labelme and save it again")
    objects: list[LabelledPolygon] = []
    faults = Faults()
    split = 0
    groups: Counter[tuple[str, str]] = Counter()
    for number, shape in enumerate(document["shapes"]):
        where = f"{path}: shape {number}"
        if not isinstance(shape, dict):
            faults.add(f"{where}: got {shown(shape)}, expected label, points and shape_type; remove it")
            continue
        label: Any = shape.get("label")
        if fault := polygon_file.label_fault(label, table):
            faults.add(f"{where}: {fault}; rename it in labelme, or give your own table as --labels")
            continue
        try:
            polygons = polygons_of_shape(shape, width, height)
        except SegmentationError as error:
            faults.add(f"{where} ({label}): {error}; draw it as a polygon in labelme")
            continue
        objects += [LabelledPolygon(label, polygon) for polygon in polygons]
        split += len(polygons) > 1
        groups[label, shown(shape.get("group_id"))] += shape.get("group_id") is not None
    polygon_file.write(part, Annotated(stems[path], width, height, objects))
    return Written(len(objects), split, sum(number for number in groups.values() if number > 1), faults.messages)


def polygons_of_shape(shape: dict[str, Any], width: int, height: int) -> list[list[list[int]]]:
    """The polygons of a shape; one, except for a mask of several parts.

    Raises:
        SegmentationError: if it has no area, or cannot be read.
    """
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in _NO_AREA:
        raise SegmentationError(f"a {kind}, which has no area, expected a polygon, rectangle, circle or mask")
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise SegmentationError(f"points are {shown(points)}, expected [[x, y], ...]")
    vertices = coordinates(points)
    if kind in ("rectangle", "circle", "mask") and len(points) == 2:
        if kind == "mask":
            return _of_mask(shape.get("mask"), vertices, width, height)
        return [polygon_file.whole(polygon_file.rectangle(vertices) if kind == "rectangle" else _circle(vertices))]
    if kind in ("circle", "mask"):
        raise SegmentationError(f"a {kind} of {counted(len(points), 'point')}, expected 2")
    if kind not in ("polygon", "rectangle", "oriented_rectangle", "rotation"):
        raise SegmentationError(f"shape_type {shown(kind)}, expected a polygon, rectangle, circle or mask")
    if len(points) < polygon_file.MIN_VERTICES:
        raise SegmentationError(f"a {kind} of {counted(len(points), 'point')}, expected at least 3")
    return [polygon_file.whole(vertices)]


def _circle(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 2) vertices of a circle, given by its centre and a point on it."""
    centre, edge = points
    radius = float(np.hypot(*(edge - centre)))
    number = max(8, math.ceil(math.pi * math.sqrt(radius / (2 * _TOLERANCE))))
    angles = np.arange(number) * (2 * np.pi / number)
    vertices: npt.NDArray[np.float64] = centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return vertices


def _of_mask(encoded: Any, corners: npt.NDArray[np.float64], width: int, height: int) -> list[list[list[int]]]:
    """The polygons of a mask, a PNG in base64, which fills the box between two corners; both corners are inside it."""
    if not isinstance(encoded, str):
        raise SegmentationError(f"mask is {shown(encoded)}, expected a PNG in base64")
    try:
        image = decode_image(Path("mask"), base64.b64decode(encoded, validate=True))
    except (ValueError, InputError) as error:  # base64 raises a ValueError
        raise SegmentationError(f"a mask that is not a PNG in base64 ({error})") from error
    pixels = np.asarray(image.convert("L")) != 0
    left, top = np.round(corners.min(0)).astype(int).tolist()
    cut = pixels[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    if not cut.any():
        raise SegmentationError("a mask without a pixel in the image, expected one that covers an area")
    x, y = max(left, 0), max(top, 0)
    return [[[x + column, y + row] for column, row in polygon] for polygon in polygons_of(cut)]
