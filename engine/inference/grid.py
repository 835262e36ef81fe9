"""How to cut an image into tiles, with a margin that makes them one image again."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from engine.arrays import Size
from engine.inference.receptive_field import ALIGNMENT

_CHANNELS = 64
"""Channels of the first layer at the image's full size, in VGG and U-Net."""
_PADDING = 200
"""Pixels that a network may add to each axis before that layer: the paper's FCNs add 2 * 100, a valid U-Net 184."""


class Span(NamedTuple):
    """A stretch of an axis that a tile is responsible for, and the longer one that the network sees.

    first            start               end             last
      |----margin------|===================|----margin------|
    """

    start: int
    end: int
    first: int
    last: int

    @property
    def extent(self) -> int:
        """Pixels that the network sees."""
        return self.last - self.first


class Grid(NamedTuple):
    """Tiles that cover an image."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def largest_size(self) -> Size:
        """Height and width of the largest tile, margin included."""
        return Size(max(row.extent for row in self.rows), max(column.extent for column in self.columns))

    @property
    def largest(self) -> int:
        """Pixels of the largest tile, margin included."""
        return self.largest_size.pixels

    @property
    def work(self) -> int:
        """Pixels of all tiles, margins included."""
        return sum(row.extent for row in self.rows) * sum(column.extent for column in self.columns)

    @property
    def tiles(self) -> Iterator[tuple[Span, Span]]:
        """All tiles, row by row."""
        return product(self.rows, self.columns)


def plan(height: int, width: int, margin: int, max_pixels: int) -> Grid:
    """The tiles of no more than `max_pixels` pixels that cost the least work, or the smallest there are.

    None is responsible for less than its margin, unless an axis is that short; so work is nine times as much at most.
    """
    rows, columns = (
        [_Axis.of(length, parts, margin) for parts in _parts(length, margin)] for length in (height, width)
    )
    pairs = list(product(rows, columns))
    fitting = [pair for pair in pairs if pair[0].largest * pair[1].largest <= max_pixels]
    if fitting:
        row, column = min(fitting, key=lambda pair: pair[0].work * pair[1].work)
    else:
        row, column = min(pairs, key=lambda pair: pair[0].largest * pair[1].largest)
    return Grid(row.spans, column.spans)


class _Axis(NamedTuple):
    """An axis in parts, with what a choice among many depends on."""

    spans: tuple[Span, ...]
    largest: int
    """Pixels that the longest part sees."""
    work: int
    """Pixels that all parts see."""

    @classmethod
    def of(cls, length: int, parts: int, margin: int) -> "_Axis":
        """An axis of that length in about so many parts."""
        its = spans(length, parts, margin)
        seen = [span.extent for span in its]
        return cls(its, max(seen), sum(seen))


def _parts(length: int, least: int) -> list[int]:
    """Numbers of parts of an axis that differ in the length of the parts, which is not below the least."""
    units = -(-length // ALIGNMENT)
    smallest = min(units, max(1, least // ALIGNMENT))
    return sorted({-(-units // size) for size in range(smallest, units + 1)})


def spans(length: int, parts: int, margin: int) -> tuple[Span, ...]:
    """An axis in about so many parts, that begin and look at what begins at multiples of the alignment."""
    step = -(-length // (parts * ALIGNMENT)) * ALIGNMENT
    return tuple(
        Span(start, min(start + step, length), max(0, start - margin), min(start + step + margin, length))
        for start in range(0, length, step)
    )


def max_pixels(size: Size, max_elements: int) -> int:
    """Pixels that an image or a piece of it may have, so that its first layer has no more than so many elements.

    Of an image of h x w that layer has 64 (h + 200) (w + 200), which is 64 (h w + 200 (h + w + 200)). The pieces are no
    longer than the image on either axis, so what is bounded for its sides is bounded for theirs. What is half of the
    bound fits in any case, unless it is a strip of more than 80,000 pixels.
    """
    most = max_elements // _CHANNELS
    return max(most // 2, most - _PADDING * (size.height + size.width + _PADDING))
