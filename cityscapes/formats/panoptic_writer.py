"""Writing of the panoptic format: segments of a mask of instance ids, and the JSON files.

The ground truth is equal to that of `createPanopticImgs.py` of cityscapesScripts, in every field and every byte of its
JSON file.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.formats.panoptic import AnnotatedImage, Segment, categories
from cityscapes.labels import BY_ID
from engine.arrays import IdArray, Int64Array, true_positions
from engine.errors import InputError

_INSTANCES = 1000
"""The id of a segment is label id x _INSTANCES + number of the object, if it is a single object."""


def segment(of: int, area: int, bbox: tuple[int, int, int, int], *, train_ids: bool = False) -> Segment:
    """A segment of the ground truth; its category follows from its id `of`, which must be that of a scored class."""
    label = BY_ID[label_id_of(of)]
    category = label.train_id if train_ids else label.id
    return Segment(of, category, area, bbox, int(of < _INSTANCES and label.has_instances))


def label_id_of(segment_id: int) -> int:
    """The label id in the id of a segment of the ground truth."""
    return segment_id // _INSTANCES if segment_id >= _INSTANCES else segment_id


class Runs(NamedTuple):
    """Horizontal runs of pixels with one instance id each, (R,) each."""

    id: Int64Array
    row: Int64Array
    first: Int64Array
    """Column of the leftmost pixel."""
    length: Int64Array
    """Number of pixels."""

    @classmethod
    def of(cls, ids: npt.NDArray[np.uint8 | np.uint16 | np.uint32]) -> "Runs":
        """The runs of a (H, W) image of ids."""
        width = ids.shape[1]
        starts = np.ones(ids.shape, np.bool_)
        np.not_equal(ids[:, 1:], ids[:, :-1], out=starts[:, 1:])
        start = true_positions(starts.reshape(-1))
        row, first = np.divmod(start, width)
        return cls(ids.reshape(-1)[start].astype(np.int64), row, first, np.diff(start, append=ids.size))


def segments_of(instance_ids: IdArray, *, train_ids: bool = False) -> list[Segment]:
    """The segments of a (H, W) mask of instance ids, ascending by id, without those of classes that are not scored.

    Raises:
        InputError: if there are ids that are not instance ids of Cityscapes.
    """
    return _segments(Runs.of(instance_ids), train_ids=train_ids)


def of_instance_ids(instance_ids: IdArray) -> tuple[npt.NDArray[np.uint16], list[Segment]]:
    """The (H, W) segment ids of a (H, W) mask of instance ids, 0 for classes that are not scored, and the segments.

    Raises:
        InputError: if there are ids that are not instance ids of Cityscapes.
    """
    height, width = instance_ids.shape
    return of_runs(Runs.of(instance_ids), (height, width))


def of_runs(runs: Runs, shape: tuple[int, int]) -> tuple[npt.NDArray[np.uint16], list[Segment]]:
    """The segment ids of a mask of instance ids, 0 for classes that are not scored, and the segments.

    Args:
        runs: of the whole mask, row by row. Runs of classes that are not scored may extend over several rows.
        shape: (H, W) of the mask and of the result.

    Raises:
        InputError: if there are ids that are not instance ids of Cityscapes.
    """
    segments = _segments(runs)
    scored = np.zeros(1 + int(runs.id.max()), np.uint16)
    ids = [segment.id for segment in segments]
    scored[ids] = ids
    return np.repeat(scored[runs.id], runs.length).reshape(shape), segments


def _segments(runs: Runs, *, train_ids: bool = False) -> list[Segment]:
    order = np.argsort(runs.id, kind="stable")
    ids = runs.id[order]
    begin = np.flatnonzero(np.diff(ids, prepend=-1))
    _require_known(ids[begin])
    row, first, length = runs.row[order], runs.first[order], runs.length[order]
    area = np.add.reduceat(length, begin)
    left, stop = np.minimum.reduceat(first, begin), np.maximum.reduceat(first + length, begin)
    top, bottom = np.minimum.reduceat(row, begin), np.maximum.reduceat(row, begin) + 1
    columns = (ids[begin], area, left, top, stop - left, bottom - top)
    return [
        segment(of, pixels, (x, y, width, height), train_ids=train_ids)
        for of, pixels, x, y, width, height in zip(*(column.tolist() for column in columns), strict=True)
        if is_scored(of)
    ]


def is_scored(instance_id: int) -> bool:
    """Whether a known instance id belongs to one of the 19 scored classes."""
    return not BY_ID[label_id_of(instance_id)].ignore_in_eval


def _require_known(ids: Int64Array) -> None:
    unknown = [of for of in ids.tolist() if label_id_of(of) not in BY_ID]
    if unknown:
        raise InputError(
            f"expected instance ids (label id, or 1000 x label id + number), got {', '.join(map(str, unknown[:10]))}; "
            "unpack the instanceIds masks of the data set again"
        )


# The JSON file, exactly as `json.dump(..., sort_keys=True, indent=4)` writes it. That encoder is written in Python, and
# slow for the 30 MB of the train split.


def truth_text(images: Iterable[tuple[AnnotatedImage, int, int]], *, train_ids: bool = False) -> Iterator[str]:
    """The JSON file of a ground truth, in parts.

    Args:
        images: each with its width and height in pixels, and with complete segments; the order is kept.
        train_ids: whether the category ids are train ids.
    """
    entries = []
    separator = '{\n    "annotations": ['
    for image, width, height in images:
        yield f"{separator}{_annotation(image)}"
        separator = ","
        # No image has this file_name, but the official converter writes it.
        name = f"{image.image_id}_gtFine_leftImg8bit.png"
        entries.append({"file_name": name, "height": height, "id": image.image_id, "width": width})
    yield "\n    ],\n" if entries else f"{separator}],\n"
    rest = {"categories": categories(train_ids=train_ids), "images": entries}
    yield json.dumps(rest, sort_keys=True, indent=4)[2:]


def prediction_text(images: Iterable[AnnotatedImage]) -> Iterator[str]:
    """The JSON file of predictions, in parts."""
    separator = '{\n    "annotations": ['
    for image in images:
        yield f"{separator}{_annotation(image)}"
        separator = ","
    yield "\n    ]\n}" if separator == "," else f"{separator}]\n}}"


def _annotation(image: AnnotatedImage) -> str:
    segments = ",".join(map(_entry, image.segments))
    end = "\n            " if segments else ""
    return (
        f'\n        {{\n            "file_name": {json.dumps(image.file_name)},'
        f'\n            "image_id": {json.dumps(image.image_id)},'
        f'\n            "segments_info": [{segments}{end}]\n        }}'
    )


_INDENT = "\n" + 20 * " "


def _entry(of: Segment) -> str:
    """One segment; fields without a value are left out."""
    fields = []
    if of.area is not None:
        fields.append(f'"area": {of.area}')
    if of.bbox is not None:
        x, y, width, height = of.bbox
        inner = f"{_INDENT}    "
        fields.append(f'"bbox": [{inner}{x},{inner}{y},{inner}{width},{inner}{height}{_INDENT}]')
    fields += [f'"category_id": {of.category_id}', f'"id": {of.id}']
    if of.iscrowd is not None:
        fields.append(f'"iscrowd": {of.iscrowd}')
    return f"\n                {{{_INDENT}{(',' + _INDENT).join(fields)}\n                }}"
