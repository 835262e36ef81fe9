"""Reading of panoptic JSON files of any origin: every fault is listed, and time and memory are limited."""

import json
import reprlib
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from cityscapes.formats.panoptic import MAX_SEGMENT_ID, AnnotatedImage, Segment, category_ids
from cityscapes.labels import BY_ID
from cityscapes.layout import frame_of
from engine.errors import printable
from engine.files.folders import can_exist
from engine.findings import shortened

MAX_BYTES = 1 << 27
"""Largest JSON file that is parsed; the ground truth of the train split, the largest one, has a quarter of this."""
MAX_VALUES = 1 << 22
"""Largest number of values in a JSON file; they take 1 GB in the worst case."""
MAX_FAULTS = 100_000
"""Largest number of faults that are listed; after the image with the next one, reading ends."""

_MAX_AREA = 1 << 28
_REPR = reprlib.Repr()
_REPR.maxlevel = 1


class Fault(NamedTuple):
    """One fault of a JSON file."""

    kind: str
    """Short key, one of `REMEDIES`."""
    where: str
    """Entry with the fault, for example its image id; empty for a fault of the whole file."""
    what: str
    """Text of what was found and expected."""


REMEDIES = {
    "json": "write this file again",
    "structure": "write it as COCO panoptic JSON: annotations, each with image_id, file_name and segments_info",
    "annotation": "write image_id, file_name and segments_info for each image",
    "image number": "name the images: python -m cityscapes.convert coco_panoptic JSON DIR NEW",
    "image id": "use the stem of the image, <city>_<6 digits>_<6 digits>",
    "duplicate image": "write one annotation per image",
    "file name": "write the path of the PNG relative to its folder",
    "duplicate file": "write one PNG per image",
    "segment": "write id and category_id for each segment",
    "segment id": "give each segment the id that its pixels have: red + 256 x green + 65,536 x blue",
    "duplicate segment": "give each segment of an image its own id",
    "category": "use the ids of the 19 classes, for example 24 for person; leave out segments of other classes",
    "train ids": "write label ids as category_id, for example 24 for person instead of the train id 11",
    "area": "make the ground truth again: python generate_gt.py --panoptic",
    "many": "correct these first",
}
"""Kind of fault -> what to do about it."""


def parse(content: bytes, *, truth: bool = False, train_ids: bool = False) -> tuple[list[AnnotatedImage], list[Fault]]:
    """The images and all faults of a JSON file, of predictions or of the ground truth; it never raises.

    Other keys than those of `Segment` and `AnnotatedImage` are ignored, as in the official scorer. Memory is limited
    by MAX_BYTES and MAX_VALUES.

    Args:
        content: the file.
        truth: whether each segment needs area, bbox and iscrowd; image ids may then have any form.
        train_ids: whether the category ids must be train ids instead of label ids.

    Returns:
        The images with all segments that have an id and a category, even an unknown one, and the faults in the order of
        the file.
    """
    annotations, broken = _annotations(content)
    if broken is not None:
        return [], [broken]
    reader = _Reader(truth=truth, train_ids=train_ids)
    images = []
    for number, entry in enumerate(annotations):
        image = reader.image(number, entry)
        if image is not None:
            images.append(image)
        if len(reader.faults) > MAX_FAULTS:
            break
    return images, reader.all_faults()


def _annotations(content: bytes) -> tuple[list[Any], Fault | None]:
    """The unchecked entries of `annotations`, or the fault for which there are none."""
    if len(content) > MAX_BYTES:
        return [], Fault("json", "", f"{len(content):,} bytes, expected at most {MAX_BYTES:,}")
    values = sum(map(content.count, (b",", b"[", b"{")))
    if values > MAX_VALUES:
        return [], Fault("json", "", f"about {values:,} values, expected at most {MAX_VALUES:,}")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        return [], Fault("json", "", "nested too deeply")
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, and integers of thousands of digits
        return [], Fault("json", "", f"not valid JSON ({' '.join(str(error).split())[:200]})")
    annotations = document.get("annotations") if isinstance(document, dict) else None
    if isinstance(annotations, list):
        return annotations, None
    got = f"annotations is {_got(annotations)}" if annotations is not None else f"got {_got(document)}"
    return [], Fault("structure", "", f"expected an object with a list of annotations, {got}")


class _Reader:
    """Reader of the entries of one file, which collects their faults."""

    def __init__(self, *, truth: bool, train_ids: bool) -> None:
        self.truth = truth
        self.train_ids = train_ids
        self.known = frozenset(category_ids(train_ids=train_ids))
        self.image_ids: set[str] = set()
        self.files: set[str] = set()
        self.categories: set[int] = set()
        self.faults: list[Fault] = []

    def all_faults(self) -> list[Fault]:
        """The faults; if all category ids are train ids, one fault stands for all segments."""
        faults = self.faults
        if not self.train_ids and not self.categories <= self.known and self.categories <= _TRAIN_IDS:
            number = sum(fault.kind == "category" for fault in faults)
            found = f"category ids from {min(self.categories)} to {max(self.categories)}, unknown in {number} segments"
            faults = [fault for fault in faults if fault.kind != "category"]
            faults.insert(0, Fault("train ids", "", f"{found}: these are train ids, expected label ids"))
        if len(faults) > MAX_FAULTS:
            more = f"more than {MAX_FAULTS:,} faults, of which the others are not listed"
            faults = [*faults[:MAX_FAULTS], Fault("many", "", more)]
        return faults

    def add(self, kind: str, where: str, what: str) -> None:
        """Record a fault."""
        self.faults.append(Fault(kind, where, what))

    def image(self, number: int, entry: Any) -> AnnotatedImage | None:
        """One annotation with the segments that have an id and a category; None if it cannot be used."""
        where = f"annotation {number}"
        if not isinstance(entry, dict):
            self.add("annotation", where, f"expected an object, got {_got(entry)}")
            return None
        kinds = {"image_id": str, "file_name": str, "segments_info": list}
        odd = [key for key, kind in kinds.items() if not isinstance(entry.get(key), kind)]
        if "image_id" not in odd:
            where = printable(shortened(entry["image_id"]))
        for key in odd:
            kind = "image number" if key == "image_id" and type(entry.get(key)) is int else "annotation"
            self.add(kind, where, f"{key}: expected a {_NAMES[kinds[key]]}, {_field(entry, key)}")
        if odd:
            return None
        image_id, file_name = entry["image_id"], entry["file_name"]
        if image_id in self.image_ids:
            self.add("duplicate image", where, "two annotations have this image_id")
            return None
        self.image_ids.add(image_id)
        if not self.truth and frame_of(image_id) != image_id:
            self.add("image id", where, f"expected <city>_<6 digits>_<6 digits>, got {_got(image_id)}")
        if not _is_inside(file_name):
            self.add("file name", where, f"expected a path inside the folder, got {_got(file_name)}")
            return None
        if file_name in self.files:
            self.add("duplicate file", where, f"another annotation has the file_name {_got(file_name)}")
        self.files.add(file_name)
        return AnnotatedImage(image_id, file_name, self._segments(where, entry["segments_info"]))

    def _segments(self, where: str, entries: list[Any]) -> list[Segment]:
        segments: dict[int, Segment] = {}
        for number, entry in enumerate(entries):
            segment = self._segment(where, number, entry)
            if segment is None:
                continue
            if segment.id in segments:
                self.add("duplicate segment", where, f"two segments have the id {segment.id}")
                continue
            segments[segment.id] = segment
        return list(segments.values())

    def _segment(self, where: str, number: int, entry: Any) -> Segment | None:
        if not isinstance(entry, dict):
            self.add("segment", where, f"segment {number}: expected an object, got {_got(entry)}")
            return None
        of, category = entry.get("id"), entry.get("category_id")
        if type(of) is not int or type(category) is not int:  # bool is a subclass of int
            key = "id" if type(of) is not int else "category_id"
            self.add("segment", where, f"segment {number}: {key}: expected an integer, {_field(entry, key)}")
            return None
        if not self.truth <= of <= MAX_SEGMENT_ID:
            self.add("segment id", where, f"expected {int(self.truth)} to {MAX_SEGMENT_ID:,}, got {_got(of)}")
            return None
        self.categories.add(category)
        if category not in self.known:
            name = f" ({BY_ID[category].name}, which is not scored)" if category in BY_ID and not self.train_ids else ""
            self.add("category", where, f"segment {of}: unknown category_id {_got(category)}{name}")
        return self._with_area(where, entry, of, category) if self.truth else Segment(of, category)

    def _with_area(self, where: str, entry: dict[str, Any], of: int, category: int) -> Segment:
        """A segment of the ground truth with its area, bounding box and group flag."""
        area, bbox, crowd = entry.get("area"), entry.get("bbox"), entry.get("iscrowd")
        for key, valid in (
            ("area", type(area) is int and 0 < area <= _MAX_AREA),
            ("bbox", isinstance(bbox, list) and len(bbox) == 4 and {*map(type, bbox)} == {int}),
            ("iscrowd", type(crowd) is int and crowd in (0, 1)),
        ):
            if not valid:
                self.add("area", where, f"segment {of}: {key}: {_EXPECTED[key]}, {_field(entry, key)}")
                return Segment(of, category)
        return Segment(of, category, area, tuple(bbox), crowd)  # type: ignore[arg-type]  # checked above


_TRAIN_IDS = frozenset(category_ids(train_ids=True))
_NAMES = {str: "string", list: "list"}
_EXPECTED = {
    "area": "expected a number of pixels",
    "bbox": "expected left, top, width and height",
    "iscrowd": "expected 0 or 1",
}


def _is_inside(file_name: str) -> bool:
    """Whether a path stays inside its folder."""
    path = PurePosixPath(file_name)
    return bool(path.name) and not path.is_absolute() and ".." not in path.parts and can_exist(file_name)


def _field(entry: dict[str, Any], key: str) -> str:
    return f"got {_got(entry[key])}" if key in entry else "which is missing"


def _got(value: Any) -> str:
    """A value of unknown size in a few characters."""
    return printable(_REPR.repr(value))
