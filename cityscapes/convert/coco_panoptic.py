"""COCO panoptic JSON and PNGs of other programs -> the panoptic format of Cityscapes.

panoptic.json, folder/                        annotations: image_id, file_name, segments_info (id, category_id)
NEW/cityscapes_panoptic_<split>.json          the same with label ids and stems
NEW/cityscapes_panoptic_<split>/<stem>.png    segment ids as colours
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.convert import categories, reference
from cityscapes.convert.categories import Kind, Reading
from cityscapes.convert.output import Conversion, Faults
from cityscapes.convert.reference import Key, Reference
from cityscapes.convert.rle import shown
from cityscapes.formats import panoptic
from cityscapes.formats.panoptic import AnnotatedImage, Segment
from cityscapes.formats.panoptic_writer import prediction_text
from engine.errors import InputError
from engine.files import png_reader
from engine.files.atomic import replacing, write_bytes
from engine.files.content import read_bytes
from engine.files.folders import can_exist
from engine.files.images import read_ids, read_image
from engine.files.new_folder import complete_folder, require_new
from engine.parallel import parallel_map

_COLOURS = (2, 6)
"""Colour types of PNG with red, green and blue."""
_REWRITE = "write this file again"
_SAME_IDS = "write PNG and JSON in the same run, so that they have the same segments"


class Task(NamedTuple):
    """One image and its unchecked segments."""

    stem: str
    where: str
    """Entry for messages."""
    file: str
    """Path of the PNG within the folder."""
    segments: list[Any]


class Written(NamedTuple):
    """The outcome for one image; None if it has no PNG in the new folder."""

    image: AnnotatedImage | None
    faults: list[str]


def convert(
    path: Path,
    folder: Path,
    new: Path,
    split: str,
    *,
    annotations: Path | None = None,
    numbering: Kind | None = None,
    skip_faulty: bool = False,
    workers: int = 1,
) -> Conversion:
    """Convert panoptic predictions to a new folder.

    Args:
        path: JSON file with a list of annotations.
        folder: folder of its PNGs: RGB, or grey with segment ids of 8 or 16 bits.
        new: folder to write.
        split: name of the split for the new files: train, val or test.
        annotations: COCO file with the names of images and categories; by default those in the JSON file.
        numbering: how category ids are numbered; None decides by names or evidence.
        skip_faulty: leave out faulty images and segments instead of writing nothing.
        workers: number of processes.

    Raises:
        InputError: with every fault of the files.
    """
    require_new(folder, new)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder with the PNGs of {path.name}")
    document = reference.read_document(path)
    listed = reference.entries(path, document, "annotations")
    faults = Faults()
    given = None if annotations is None else reference.read(annotations)
    names = given.categories if given else reference.categories_of(path, document.get("categories") or [], faults)
    tasks = _tasks(path, listed, given or _images_of(path, document), faults)
    reading = _reading(path, tasks, names, numbering)
    json_name, folder_name = panoptic.file_names(split)
    with complete_folder(new) as part:
        work = partial(_write, path, folder, part / folder_name, reading, names)
        images: list[AnnotatedImage] = []
        for _, done in parallel_map(work, tasks, workers=workers, title="convert"):
            if isinstance(done, InputError):
                faults.add(*done.messages)
                continue
            faults.add(*done.faults)
            images += [done.image] if done.image else []
        skipped = faults.settled(skip=skip_faulty)
        with replacing(part / json_name) as file:
            for text in prediction_text(images):
                file.write(text.encode())
    segments = sum(len(image.segments) for image in images)
    return Conversion(len(images), segments, reading.description, (), skipped, split)


def _images_of(path: Path, document: dict[str, Any]) -> Reference | None:
    """The images that the JSON file itself names; None if there are none, or some cannot be used."""
    if not isinstance(document.get("images"), list):
        return None
    faults = Faults()
    found = reference.images_of(path, document["images"], faults)
    return None if faults or not found else Reference(path, found, {i.stem: i for i in found.values()}, {})


def _tasks(path: Path, listed: Sequence[Any], names: Reference | None, faults: Faults) -> list[Task]:
    """The usable entries by stem, sorted; messages on the others are added."""
    tasks: dict[str, Task] = {}
    for number, entry in enumerate(listed):
        where = f"annotation {number}"
        got = entry if isinstance(entry, dict) else {}
        file, segments = got.get("file_name"), got.get("segments_info")
        if not isinstance(file, str) or not isinstance(segments, list):
            expected = "expected image_id, file_name and segments_info"
            faults.add(f"{path}: {where}: got {shown(entry)}, {expected}; {_REWRITE}")
            continue
        image = reference.image_of(got.get("image_id"), [file], names)
        if isinstance(image, str):
            faults.add(f"{path}: {where}: {image}")
        elif not _is_inside(file):
            faults.add(f"{path}: {where}: file_name is {shown(file)}, expected a path in the folder; {_REWRITE}")
        elif image.stem in tasks:
            faults.add(f"{path}: {where}: {image.stem} appears twice; keep one annotation for each image")
        else:
            tasks[image.stem] = Task(image.stem, f"{where} ({image.stem})", file, segments)
    return [tasks[stem] for stem in sorted(tasks)]


def _is_inside(name: str) -> bool:
    """Whether a path stays in its folder."""
    return (
        bool(name) and can_exist(name) and "\\" not in name and ".." not in PurePosixPath(name).parts and name[0] != "/"
    )


def _reading(path: Path, tasks: Sequence[Task], names: dict[Key, str], numbering: Kind | None) -> Reading:
    """The reading of the category ids.

    Things are known by `isthing`, where the file has it; otherwise they are the categories with several segments in
    one image.
    """
    ids: set[Key] = set()
    declared: set[Key] = set()
    repeated: set[Key] = set()
    has_flags = False
    for task in tasks:
        keys: list[Key] = []
        for segment in task.segments:
            key = category_of(segment)
            if reference.is_key(key):
                keys.append(key)
                has_flags |= "isthing" in segment
                declared |= {key} if segment.get("isthing") in (True, 1) else set()
        ids.update(keys)
        repeated.update(key for key, times in Counter(keys).items() if times > 1)
    if not ids:
        return Reading({}, "")
    things = declared if has_flags else repeated
    return categories.decide(path, ids, things, names, categories.PANOPTIC_KINDS, numbering)


def category_of(segment: Any) -> Any:
    """The category id of a segment; Hugging Face calls it `label_id`."""
    if not isinstance(segment, dict):
        return None
    return segment.get("category_id", segment.get("label_id"))


def _write(path: Path, folder: Path, target: Path, reading: Reading, names: dict[Key, str], task: Task) -> Written:
    """Write the PNG of one image, and return its entry for the JSON file.

    Raises:
        InputError: if its PNG cannot be read.
    """
    ids = read_segment_ids(folder / task.file)
    present = set(np.unique(ids).tolist()) - {0}
    segments: dict[int, Segment] = {}
    faults = Faults()
    for number, entry in enumerate(task.segments):
        where = f"{path}: {task.where}: segment {number}"
        of, key = (entry.get("id") if isinstance(entry, dict) else None), category_of(entry)
        if type(of) is not int or not 0 < of <= panoptic.MAX_SEGMENT_ID:
            expected = "expected 1 to 16,777,215 (0 is for pixels without a segment)"
            faults.add(f"{where}: id is {shown(of)}, {expected}; add 1 to all ids, in PNG and JSON")
        elif of in segments:
            faults.add(f"{where}: id {of} appears twice, expected one segment per id; {_SAME_IDS}")
        elif not reference.is_key(key) or key not in reading.table:
            faults.add(categories.unknown(path, f"{task.where}: segment {number}", key, reading, names))
        elif of not in present:
            faults.add(f"{where}: no pixel of {folder / task.file} has its id {of}; {_SAME_IDS}")
        else:
            segments[of] = Segment(of, reading.table[key])
    listed = {entry.get("id") for entry in task.segments if isinstance(entry, dict) and type(entry.get("id")) is int}
    if strange := sorted(present - listed):
        shown_ids = ", ".join(map(str, strange[:8])) + (", ..." if len(strange) > 8 else "")
        faults.add(f"{folder / task.file}: pixels of segments {shown_ids} without an entry in {path.name}; {_SAME_IDS}")
    ids[~np.isin(ids, list(segments))] = 0
    name = f"{task.stem}.png"
    write_bytes(target / name, panoptic.encode(ids))
    return Written(AnnotatedImage(task.stem, name, list(segments.values())), faults.messages)


def read_segment_ids(path: Path) -> npt.NDArray[np.uint32]:
    """(H, W) segment ids of a PNG: RGB as in COCO, or grey with 8 or 16 bits.

    Raises:
        InputError: if it cannot be read.
    """
    with suppress(png_reader.DamagedError):  # reading the pixels reports it
        if png_reader.header(read_bytes(path)).kind in _COLOURS:
            return panoptic.ids_of(read_image(path))
    return read_ids(path).astype(np.uint32)
