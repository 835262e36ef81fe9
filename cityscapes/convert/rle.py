"""Masks in COCO's segmentations: run-length encodings (RLE), compressed or not, and polygons.

    size [3, 4] is height 3 and width 4; counts [4, 2, 1, 2, 3] are runs down the columns, the background first:

    0 . 6 .       column 0 has pixels 0 to 2, column 1 has 3 to 5, and so on
    . 4 7 .       runs: 4 background, 2 mask (pixels 4 and 5), 1 background, 2 mask (7 and 8), 3 background
    . 5 8 .

The rules are those of `maskApi.c` of the COCO API (github.com/cocodataset/cocoapi, commit 28dffd9), so that a mask has
the same pixels here as there.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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
_SCALE = 5
"""Number of points per pixel along the outline of a polygon."""
_MAX_COORDINATE = 1 << 20
_MAX_POINTS = 1 << 24
"""Largest number of points along the outlines of one object; a large one has 50,000."""


class SegmentationError(Exception):
    """A segmentation that cannot be decoded, with what was got and expected."""


class Runs(NamedTuple):
    """A mask as runs of pixels, down the columns from left to right."""

    width: int
    height: int
    counts: Int64Array
    """(R,) number of pixels of each run, background and mask in turn; they add up to width x height."""

    @property
    def area(self) -> int:
        """The number of pixels of the mask."""
        return int(self.counts[1::2].sum())

    def mask(self) -> npt.NDArray[np.bool_]:
        """The (H, W) mask; only the columns from its first to its last pixel are decoded."""
        mask = np.zeros((self.height, self.width), np.bool_)
        ends = np.cumsum(self.counts)
        inside = np.flatnonzero(self.counts[1::2])
        if not inside.size:
            return mask
        left = int(ends[2 * inside[0]]) // self.height
        right = int(ends[2 * inside[-1] + 1] - 1) // self.height + 1
        edges = np.clip(ends, left * self.height, right * self.height)
        lengths = np.diff(edges, prepend=left * self.height, append=right * self.height)
        pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        mask[:, left:right] = pixels.reshape(right - left, self.height).T
        return mask


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
    return _of_polygons([vertices_of(polygon) for polygon in segmentation], *size)


def union(parts: Sequence[Runs]) -> npt.NDArray[np.bool_]:
    """The (H, W) mask of one or more parts."""
    mask = parts[0].mask()
    for part in parts[1:]:
        mask |= part.mask()
    return mask


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


def vertices_of(polygon: Any) -> npt.NDArray[np.float64]:
    """(N, 2) vertices of a polygon x, y, x, y, ... of at least three.

    Raises:
        SegmentationError: if it is anything else, or a coordinate is not finite or far outside of any image.
    """
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise SegmentationError(f"polygon is {shown(polygon)}, expected x, y, x, y, ... of at least three vertices")
    return coordinates([polygon[0::2], polygon[1::2]]).T


def coordinates(numbers: Sequence[Any]) -> npt.NDArray[np.float64]:
    """A list of lists of coordinates as an array.

    Raises:
        SegmentationError: if one is not a number, not finite, or far outside of any image.
    """
    flat = list(chain.from_iterable(numbers))
    # NaN and infinity fail the comparison, too.
    if wrong := [value for value in flat if type(value) not in (int, float) or not abs(value) <= _MAX_COORDINATE]:
        raise SegmentationError(f"a coordinate is {shown(wrong[0])}, expected a finite number within the image")
    return np.array(numbers, np.float64)


def _of_polygons(polygons: Sequence[npt.NDArray[np.float64]], width: int, height: int) -> list[Runs]:
    """The masks that the COCO API draws for polygons, one for each.

    Outlines are sampled at five points per pixel. Where a sample crosses the middle of a column of pixels, the mask
    changes at the next pixel below.
    """
    steps = [np.trunc(_SCALE * polygon + 0.5).astype(np.int64) for polygon in polygons]
    ends = [np.roll(step, -1, 0) for step in steps]
    if sum(int(abs(end - step).max(1).sum()) + len(step) for step, end in zip(steps, ends, strict=True)) > _MAX_POINTS:
        raise SegmentationError(f"an outline of more than {_MAX_POINTS // _SCALE:,} pixels, expected one object")
    return [_of_outline(step, end, width, height) for step, end in zip(steps, ends, strict=True)]


def _of_outline(begin: Int64Array, end: Int64Array, width: int, height: int) -> Runs:
    x, y = _samples(begin, end)
    jump = np.flatnonzero(x[1:] != x[:-1])
    column = (np.minimum(x[jump], x[jump + 1]) + 0.5) / _SCALE - 0.5
    row = np.ceil(np.clip((np.minimum(y[jump], y[jump + 1]) + 0.5) / _SCALE - 0.5, 0, height))
    kept = (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    changes = (column[kept] * height + row[kept]).astype(np.int64)
    places, times = np.unique(changes, return_counts=True)
    edges = places[times % 2 == 1]
    return Runs(width, height, np.diff(edges, prepend=0, append=width * height))


def _samples(begin: Int64Array, end: Int64Array) -> tuple[Int64Array, Int64Array]:
    """X and y of the points along all edges, in fifths of a pixel and in the order of the outline."""
    across, down = abs(end - begin).T
    flat = across >= down
    count = np.maximum(across, down)
    flipped = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    start = np.where(flipped[:, None], end, begin)
    rise = np.where(flipped[:, None], begin, end) - start
    slope = np.where(flat, rise[:, 1], rise[:, 0]) / np.maximum(count, 1)
    edge = np.repeat(np.arange(len(count)), count + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(count + 1) - (count + 1), count + 1)
    step = np.where(flipped[edge], count[edge] - step, step)
    main, other = np.where(flat, start.T, start.T[::-1])
    along = main[edge] + step
    aside = np.trunc(other[edge] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(flat[edge], along, aside), np.where(flat[edge], aside, along)


def shown(value: Any) -> str:
    """A value of a file for a message, shortened."""
    if isinstance(value, list | dict) and len(value) > 3:
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)} values"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
