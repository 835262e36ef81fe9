"""Segmentations of COCO: run-length encodings (RLE), compressed or not, and polygons.

Compressed counts are those of `maskApi.c` of the COCO API (github.com/cocodataset/cocoapi, commit 28dffd9).
"""

from typing import Any

import numpy as np

from cityscapes.convert import coco_polygon
from cityscapes.convert.faults import SegmentationError, shown
from cityscapes.convert.runs import Runs
from engine.arrays import Int64Array

_MAX_SIDE = 1 << 15
_MAX_PIXELS = 1 << 26
"""Largest image; an official one has 1 << 21."""
_FIRST, _LAST = 48, 111
"""Codes of the first and the last character of compressed counts; the 64 between them have 6 bits each."""
_MORE, _SIGN, _VALUE = 0x20, 0x10, 0x1F
"""Bits of a character: whether the number has more characters, its sign in the last one, and 5 bits of its value."""
_MOST_CHARACTERS = 7
"""Largest number of characters of one count, which has at most 32 bits and a sign."""
_MAX_RUNS = 1 << 22
"""Largest number of runs of a mask; noise in an image of the official size has a million."""


def decode(segmentation: Any, size: tuple[int, int] | None) -> list[Runs]:
    """The parts of a segmentation, whose union is its mask; none for an empty list of polygons.

    Args:
        segmentation: an object with size and counts, or a list of polygons, each a list x, y, x, y, ...
        size: width and height of the image, which polygons need; if None, polygons are refused.

    Raises:
        SegmentationError: if it cannot be decoded, or its size is not that of the image.
    """
    if isinstance(segmentation, dict):
        return [_of_rle(segmentation, size)]
    if not isinstance(segmentation, list):
        raise SegmentationError(f"segmentation is {shown(segmentation)}, expected RLE (size, counts) or polygons")
    if size is None:
        raise SegmentationError(
            "polygons without the size of the image, expected its width and height in --annotations"
        )
    if segmentation and not isinstance(segmentation[0], list):  # one polygon without the outer list
        segmentation = [segmentation]
    return coco_polygon.draw([coco_polygon.vertices_of(polygon) for polygon in segmentation], *size)


def _of_rle(segmentation: dict[Any, Any], image: tuple[int, int] | None) -> Runs:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int for side in size):
        raise SegmentationError(f"size of the RLE is {shown(size)}, expected [height, width]")
    height, width = size
    if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE and height * width <= _MAX_PIXELS):
        raise SegmentationError(f"an RLE of {shown(width)} x {shown(height)}, expected at most {_MAX_PIXELS:,} pixels")
    if image is not None and (width, height) != image:
        raise SegmentationError(
            f"an RLE of {width} x {height}, expected {image[0]} x {image[1]}, the size of the image"
        )
    lengths = compressed_counts(counts) if isinstance(counts, str) else _plain_counts(counts)
    return Runs(width, height, _checked(lengths, width * height))


def _checked(lengths: Int64Array, pixels: int) -> Int64Array:
    """The counts, if they cover exactly the image."""
    if lengths.size and not 0 <= int(lengths.min()) <= int(lengths.max()) <= pixels:
        raise SegmentationError(f"a run of {lengths[(lengths < 0) | (lengths > pixels)][0]} of {pixels} pixels")
    if (covered := int(lengths.sum())) != pixels:
        raise SegmentationError(f"RLE counts of {covered} pixels, expected {pixels}, all pixels of the image")
    return lengths


def _plain_counts(counts: Any) -> Int64Array:
    """Uncompressed counts, a list of numbers."""
    if not isinstance(counts, list) or not set(map(type, counts)) <= {int}:
        raise SegmentationError(f"RLE counts are {shown(counts)}, expected text or a list of whole numbers")
    _require_few(len(counts))
    try:
        return np.array(counts, np.int64)
    except OverflowError:
        raise SegmentationError("an RLE count of more than 64 bits, expected numbers of pixels") from None


def _require_few(runs: int) -> None:
    if runs > _MAX_RUNS:
        raise SegmentationError(f"an RLE of {runs:,} runs, expected one object")


def compressed_counts(text: str) -> Int64Array:
    """The counts in a compressed text.

    Each number has 5 bits per character, the lowest first, in two's complement. From the fourth number on, it is the
    difference from the number two before it.

    Raises:
        SegmentationError: for any other text.
    """
    if len(text) > _MAX_RUNS * _MOST_CHARACTERS:
        raise SegmentationError(f"an RLE of {len(text):,} characters, expected one object")
    try:
        codes = np.frombuffer(text.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        codes = np.zeros(1, np.uint8)
    if not codes.size:
        return np.zeros(0, np.int64)
    if codes.min() < _FIRST or codes.max() > _LAST:
        raise SegmentationError(f"RLE counts {shown(text)}, expected only the characters '0' to 'o'")
    last = np.flatnonzero(codes - _FIRST & _MORE == 0)
    if not last.size or last[-1] != len(codes) - 1:
        raise SegmentationError("compressed RLE counts that end within a number, expected complete ones")
    _require_few(len(last))
    values = codes.astype(np.int64) - _FIRST
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first + 1
    if length.max() > _MOST_CHARACTERS:
        raise SegmentationError("an RLE count of more than 32 bits, expected numbers of pixels")
    shift = 5 * (np.arange(len(values)) - np.repeat(first, length))
    numbers = np.add.reduceat((values & _VALUE) << shift, first)
    numbers -= np.where(values[last] & _SIGN, np.int64(1) << 5 * length, 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
