"""Panoptic segments of one image, checked against its PNG."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.convert import categories, reference
from cityscapes.convert.categories import THING_IDS, Reading
from cityscapes.convert.faults import Faults, shown
from cityscapes.convert.reference import Key
from cityscapes.formats import panoptic
from cityscapes.formats.panoptic import AnnotatedImage, Segment
from engine.files import png_chunks
from engine.files.atomic import write_bytes
from engine.files.content import read_bytes
from engine.files.images import read_ids, read_image

_COLOURS = (2, 6)
"""Colour types of PNG with red, green and blue."""
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
    """The outcome for one image."""

    image: AnnotatedImage
    """Entry for the JSON file."""
    merged: int
    """Number of segments that were merged with another one of the same class."""
    faults: list[str]


def convert(path: Path, folder: Path, target: Path, reading: Reading, names: Mapping[Key, str], task: Task) -> Written:
    """Write the PNG of one image, without its faulty segments.

    Segments of the same stuff class become one, as the format requires.

    Args:
        path: the JSON file, for messages.
        folder: folder of the PNGs.
        target: folder to write to.
        reading: how category ids are read.
        names: id -> name of the categories, for messages.
        task: the image.

    Raises:
        InputError: if its PNG cannot be read.
    """
    ids = read_segment_ids(folder / task.file)
    present = set(np.unique(ids).tolist()) - {0}
    faults = Faults()
    labels: dict[int, int] = {}
    for number, entry in enumerate(task.segments):
        where = f"{task.where}: segment {number}"
        if fault := _fault(path, where, entry, labels, present, reading, names):
            faults.add(fault)
        else:
            labels[entry["id"]] = reading.table[category_of(entry)]
    listed = {entry.get("id") for entry in task.segments if isinstance(entry, dict) and type(entry.get("id")) is int}
    if strange := sorted(present - listed):
        few = ", ".join(map(str, strange[:8])) + (", ..." if len(strange) > 8 else "")
        faults.add(f"{folder / task.file}: pixels of segments {few} without an entry in {path.name}; {_SAME_IDS}")
    kept = _merged(labels)
    name = f"{task.stem}.png"
    write_bytes(target / name, panoptic.encode(_replaced(ids, kept)))
    segments = [Segment(of, label_id) for of, label_id in labels.items() if kept[of] == of]
    return Written(AnnotatedImage(task.stem, name, segments), len(labels) - len(segments), faults.messages)


def category_of(segment: Any) -> Any:
    """The category id of a segment; Hugging Face calls it `label_id`."""
    return segment.get("category_id", segment.get("label_id")) if isinstance(segment, dict) else None


def _fault(
    path: Path,
    where: str,
    entry: Any,
    labels: Mapping[int, int],
    present: set[int],
    reading: Reading,
    names: Mapping[Key, str],
) -> str | None:
    """The message on a segment; None if it can be used."""
    of, key = (entry.get("id") if isinstance(entry, dict) else None), category_of(entry)
    if type(of) is not int or not 0 < of <= panoptic.MAX_SEGMENT_ID:
        expected = f"expected 1 to {panoptic.MAX_SEGMENT_ID:,} (0 is for pixels without a segment)"
        return f"{path}: {where}: id is {shown(of)}, {expected}; add 1 to all ids, in PNG and JSON"
    if of in labels:
        return f"{path}: {where}: id {of} appears twice, expected one segment per id; {_SAME_IDS}"
    if not reference.is_key(key) or key not in reading.table:
        return categories.unknown(path, where, key, reading, names)
    if of not in present:
        return f"{path}: {where}: id {of} has no pixel in the PNG, expected one or more; {_SAME_IDS}"
    return None


def _merged(labels: Mapping[int, int]) -> dict[int, int]:
    """Segment id -> id of the first segment of the same stuff class; things keep their id."""
    first: dict[int, int] = {}
    return {of: of if label_id in THING_IDS else first.setdefault(label_id, of) for of, label_id in labels.items()}


def _replaced(ids: npt.NDArray[np.uint32], by: Mapping[int, int]) -> npt.NDArray[np.uint32]:
    """The ids with others in their place; those without one become 0."""
    if not by:
        return np.zeros_like(ids)
    old = np.array(sorted(by), np.uint32)
    new = np.array([by[of] for of in old.tolist()], np.uint32)
    place = np.minimum(np.searchsorted(old, ids), len(old) - 1)
    return np.where(old[place] == ids, new[place], np.uint32(0))


def read_segment_ids(path: Path) -> npt.NDArray[np.uint32]:
    """(H, W) segment ids of a PNG: RGB as in COCO, or grey with 8 or 16 bits.

    Raises:
        InputError: if it cannot be read.
    """
    with suppress(png_chunks.DamagedError):  # reading the pixels reports it
        if png_chunks.header(read_bytes(path)).kind in _COLOURS:
            return panoptic.ids_of(read_image(path))
    return read_ids(path).astype(np.uint32)
