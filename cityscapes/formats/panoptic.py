"""The panoptic format of Cityscapes, which is that of COCO: a JSON file, and one RGB PNG per image.

    cityscapes_panoptic_val.json                                 segments of each image, and categories
    cityscapes_panoptic_val/<stem>_gtFine_panoptic.png           segment ids as colours

A pixel belongs to the segment with the id red + 256 x green + 65,536 x blue; 0 is void. In the ground truth the ids are
instance ids: 1000 x label id + number of the object, or the label id for a group of objects and for classes without
instances. The format is described at https://cocodataset.org/#format-data.

`panoptic_reader` parses JSON files, and `panoptic_writer` writes them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import LABELS
from engine.arrays import UInt8Array
from engine.files import png_writer

MAX_SEGMENT_ID = (1 << 24) - 1
"""Largest id that the colour of a pixel can hold."""
_SCORED = tuple(label for label in LABELS if not label.ignore_in_eval)


class Segment(NamedTuple):
    """One segment of an image."""

    id: int
    """Id of its pixels in the PNG."""
    category_id: int
    """Label id; in the variant with train ids the train id."""
    area: int | None = None
    """Number of pixels; predictions may leave it out."""
    bbox: tuple[int, int, int, int] | None = None
    """Left, top, width and height of its bounding box in pixels; predictions may leave it out."""
    iscrowd: int | None = None
    """1 for a group of objects, 0 otherwise; predictions may leave it out."""


class AnnotatedImage(NamedTuple):
    """One entry of `annotations`: an image with its segments."""

    image_id: str
    """Stem of the image: <city>_<6 digits>_<6 digits>."""
    file_name: str
    """Path of its PNG, relative to the folder."""
    segments: list[Segment]


def file_names(split: str, *, train_ids: bool = False) -> tuple[str, str]:
    """The names of the JSON file and of the folder with the PNGs of a split.

    Args:
        split: train, val or test.
        train_ids: the variant whose category ids are train ids.
    """
    name = f"cityscapes_panoptic_{split}{'_trainId' if train_ids else ''}"
    return f"{name}.json", name


def png_name(stem: str) -> str:
    """The name of the PNG of an image of the ground truth."""
    return f"{stem}_gtFine_panoptic.png"


def categories(*, train_ids: bool = False) -> list[dict[str, Any]]:
    """The entries of `categories`: the 19 scored classes, in the order of their label ids."""
    return [
        {
            "id": label.train_id if train_ids else label.id,
            "name": label.name,
            "color": list(label.color),
            "supercategory": label.category,
            "isthing": int(label.has_instances),
        }
        for label in _SCORED
    ]


def category_ids(*, train_ids: bool = False) -> tuple[int, ...]:
    """The ids of the 19 categories, ascending: label ids from 7 to 33, or train ids from 0 to 18."""
    return tuple(label.train_id if train_ids else label.id for label in _SCORED)


def ids_of(rgb: UInt8Array) -> npt.NDArray[np.uint32]:
    """The (H, W) segment ids of the (H, W, 3) pixels of a PNG."""
    # Four bytes from the start of each pixel, without the fourth, which belongs to the next pixel. The last pixel has
    # no next one.
    flat = np.ascontiguousarray(rgb).reshape(-1)
    pixels = flat.size // 3
    ids = np.empty(pixels, np.uint32)
    ids[:-1] = np.ndarray(pixels - 1, "<u4", flat, strides=(3,))
    ids[:-1] &= MAX_SEGMENT_ID
    ids[-1] = int.from_bytes(flat[-3:].tobytes(), "little")
    return ids.reshape(rgb.shape[:2])


def encode(ids: npt.NDArray[np.uint16 | np.uint32], notes: Mapping[str, str] | None = None) -> bytes:
    """The PNG of (H, W) segment ids.

    Args:
        ids: 0 for void, up to MAX_SEGMENT_ID.
        notes: key -> text in Latin-1, stored in the PNG.
    """
    return png_writer.encode_id_colors(ids, notes or {})
