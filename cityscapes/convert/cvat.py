"""Annotations of CVAT, exported as `COCO 1.0` -> polygon files of Cityscapes.

The export is a zip with `annotations/instances_<subset>.json`: images, categories, and annotations. The segmentation of
an annotation is a list of polygons, or an RLE for masks of the brush; CVAT then sets `iscrowd`. CVAT writes the
annotations of an image in the order of their layers (`z_order`), so they are drawn in the order of the file.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from cityscapes.convert import polygon_file, reference
from cityscapes.convert.coco_polygon import coordinates, vertices_of
from cityscapes.convert.faults import Faults, SegmentationError, shown
from cityscapes.convert.outline import polygons_of
from cityscapes.convert.output import Conversion
from cityscapes.convert.polygon_file import Annotated, LabelledPolygon
from cityscapes.convert.reference import Key
from cityscapes.convert.rle import decode
from cityscapes.convert.runs import union
from cityscapes.labels import OFFICIAL, LabelTable
from engine.errors import InputError
from engine.files.new_folder import complete_folder, require_new
from engine.findings import counted
from engine.parallel import parallel_map

_AGAIN = "export this task again as COCO 1.0"


class Task(NamedTuple):
    """One image and its annotations."""

    stem: PurePosixPath
    width: int
    height: int
    annotations: list[tuple[int, dict[str, Any]]]
    """Number of each annotation in the file, and the annotation."""


class Written(NamedTuple):
    """The outcome for one image."""

    objects: int
    split: int
    """Number of annotations of several parts, each of which became an object."""
    faults: list[str]


def convert(
    path: Path, new: Path, *, table: LabelTable = OFFICIAL, skip_faulty: bool = False, workers: int = 1
) -> Conversion:
    """Convert a COCO file of annotations to polygon files in a new folder, one for each of its images.

    Args:
        path: JSON file with images, categories and annotations.
        new: folder to write.
        table: labels that objects may have.
        skip_faulty: leave out faulty images and annotations instead of writing nothing.
        workers: number of processes.

    Raises:
        InputError: with every fault of the file.
    """
    require_new(path, new)
    document = reference.read_document(path)
    faults = Faults()
    tasks = _images(path, reference.entries(path, document, "images"), faults)
    names = reference.categories_of(path, reference.entries(path, document, "categories"), faults)
    _assign(path, reference.entries(path, document, "annotations"), tasks, faults)
    objects = split = 0
    with complete_folder(new) as part:
        work = partial(_convert, path, part, names, table)
        for _, done in parallel_map(work, list(tasks.values()), workers=workers, title="convert"):
            if isinstance(done, InputError):
                raise done
            objects += done.objects
            split += done.split
            faults.add(*done.faults)
        skipped = faults.settled(skip=skip_faulty)
        if not tasks:
            raise InputError(*(skipped or (f"{path}: no image in it; {_AGAIN}",)))
    notes = (f"{counted(split, 'annotation')} of several parts: each part became an object",) if split else ()
    return Conversion(len(tasks), objects, "", notes, skipped)


def _images(path: Path, listed: Sequence[Any], faults: Faults) -> dict[Key, Task]:
    """Id -> image without annotations yet; messages on unusable entries are added to the faults."""
    tasks: dict[Key, Task] = {}
    stems: list[tuple[PurePosixPath, str]] = []
    for number, entry in enumerate(listed):
        where = f"{path}: images[{number}]"
        got = entry if isinstance(entry, dict) else {}
        key: Any = got.get("id")
        name: Any = got.get("file_name")
        width: Any = got.get("width")
        height: Any = got.get("height")
        if not reference.is_key(key) or key in tasks or not isinstance(name, str):
            faults.add(f"{where}: got {shown(entry)}, expected a new id and file_name; {_AGAIN}")
        elif (stem := polygon_file.stem_of(name)) is None:
            faults.add(f"{where}: file_name is {shown(name)}, expected a path within a folder; rename the image")
        elif fault := polygon_file.size_fault(width, height):
            faults.add(f"{where} ({stem}): {fault}; {_AGAIN}")
        else:
            tasks[key] = Task(stem, width, height, [])
            stems.append((stem, where))
    if doubled := polygon_file.duplicates(stems):
        raise InputError(*doubled)
    return tasks


def _assign(path: Path, listed: Sequence[Any], tasks: dict[Key, Task], faults: Faults) -> None:
    """Add the annotations to their images, and messages on the others to the faults."""
    for number, entry in enumerate(listed):
        where = f"{path}: annotations[{number}]"
        key = entry.get("image_id") if isinstance(entry, dict) else None
        if not isinstance(entry, dict):
            faults.add(f"{where}: got {shown(entry)}, expected image_id, category_id and segmentation; {_AGAIN}")
        elif not reference.is_key(key) or key not in tasks:
            faults.add(f"{where}: image_id is {shown(key)}, expected the id of one of the usable images; {_AGAIN}")
        else:
            tasks[key].annotations.append((number, entry))


def _convert(path: Path, part: Path, names: dict[Key, str], table: LabelTable, task: Task) -> Written:
    """Write the polygon file of one image."""
    objects: list[LabelledPolygon] = []
    faults = Faults()
    split = 0
    for number, annotation in task.annotations:
        where = f"{path}: annotations[{number}] ({task.stem.name})"
        key: Any = annotation.get("category_id")
        label = names.get(key) if reference.is_key(key) else None
        if label is None:
            faults.add(f"{where}: category_id is {shown(key)}, expected the id of one of the categories; {_AGAIN}")
            continue
        if fault := polygon_file.label_fault(label, table):
            faults.add(f"{where}: {fault}; rename it in CVAT, or give your own table as --labels")
            continue
        try:
            polygons = polygons_of_annotation(annotation, task.width, task.height)
        except SegmentationError as error:
            faults.add(f"{where}, {label}: {error}; draw it again, or remove it")
            continue
        objects += [LabelledPolygon(label, polygon) for polygon in polygons]
        split += len(polygons) > 1
    polygon_file.write(part, Annotated(task.stem, task.width, task.height, objects))
    return Written(len(objects), split, faults.messages)


def polygons_of_annotation(annotation: dict[str, Any], width: int, height: int) -> list[list[list[int]]]:
    """The polygons of an annotation: those of its segmentation, or its box if that is empty.

    Raises:
        SegmentationError: if it has no area, or cannot be read.
    """
    segmentation, box = annotation.get("segmentation"), annotation.get("bbox")
    if isinstance(segmentation, dict):
        mask = union(decode(segmentation, (width, height))).mask()
        if not mask.any():
            raise SegmentationError("a mask without a pixel, expected one that covers an area")
        return polygons_of(mask)
    if isinstance(segmentation, list) and segmentation:
        return [polygon_file.whole(vertices_of(polygon)) for polygon in segmentation]
    if segmentation not in (None, []):
        raise SegmentationError(f"segmentation is {shown(segmentation)}, expected polygons or an RLE")
    if not isinstance(box, list) or len(box) != 4:
        raise SegmentationError(
            f"neither a segmentation nor a box; bbox is {shown(box)}, expected [x, y, width, height]"
        )
    left, top, across, down = coordinates([box])[0]
    corners = coordinates([[left.item(), top.item()], [(left + across).item(), (top + down).item()]])
    return [polygon_file.whole(polygon_file.rectangle(corners))]
