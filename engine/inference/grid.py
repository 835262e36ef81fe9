"""Grids of tiles that cover an image, each with a margin as wide as the receptive field."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from engine.arrays import Size
from engine.inference.receptive_field import ALIGNMENT

_CHANNELS = 64
"""Channels of the first layer, which works at the image's full size, in VGG and U-Net."""
_PADDING = 200
"""Most pixels that a network pads each axis by before that layer: the paper's FCNs 2 * 100, a valid U-Net 184."""


class Span(NamedTuple):
    """One tile along an axis: the pixels that it predicts, and its input, which is longer by the margins.

    first            start               end             last
      |----margin------|===================|----margin------|
    """

    start: int
    end: int
    first: int
    last: int

    @property
    def extent(self) -> int:
        """Length of the network's input along this axis, margins included, in pixels."""
        return self.last - self.first


class Grid(NamedTuple):
    """Grid of tiles that covers an image."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def largest_size(self) -> Size:
        """Height and width of the largest tile, margins included."""
        return Size(max(row.extent for row in self.rows), max(column.extent for column in self.columns))

    @property
    def largest(self) -> int:
        """Pixels of the largest tile, margins included."""
        return self.largest_size.pixels

    @property
    def work(self) -> int:
        """Computation, as the number of pixels of all tiles, margins included."""
        return sum(row.extent for row in self.rows) * sum(column.extent for column in self.columns)

    @property
    def tiles(self) -> Iterator[tuple[Span, Span]]:
        """All tiles as (rows, columns), row by row."""
        return product(self.rows, self.columns)


def plan(height: int, width: int, margin: int, max_pixels: int) -> Grid:
    """The grid of tiles of at most `max_pixels` that needs the least work; the smallest tiles if none is small enough.

    A tile predicts at least as many pixels along an axis as its margin has, unless the axis is shorter. So the work is
    at most nine times that of the whole image.
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
    """Spans of one axis, with the figures that `plan` compares."""

    spans: tuple[Span, ...]
    largest: int
    """Longest extent among the spans, in pixels."""
    work: int
    """Sum of all extents, in pixels."""

    @classmethod
    def of(cls, length: int, parts: int, margin: int) -> "_Axis":
        """Cut an axis of that length into about so many spans."""
        cut = spans(length, parts, margin)
        extents = [span.extent for span in cut]
        return cls(cut, max(extents), sum(extents))


def _parts(length: int, least: int) -> list[int]:
    """Numbers of spans to try for an axis: one for each length of a span that is not below `least`."""
    units = -(-length // ALIGNMENT)
    smallest = min(units, max(1, least // ALIGNMENT))
    return sorted({-(-units // size) for size in range(smallest, units + 1)})


def spans(length: int, parts: int, margin: int) -> tuple[Span, ...]:
    """Cut an axis into about so many spans; spans and their inputs begin at multiples of `ALIGNMENT`."""
    step = -(-length // (parts * ALIGNMENT)) * ALIGNMENT
    return tuple(
        Span(start, min(start + step, length), max(0, start - margin), min(start + step + margin, length))
        for start in range(0, length, step)
    )


def max_pixels(size: Size, max_elements: int) -> int:
    """Most pixels of an image, or of a tile of it, whose first layer has at most `max_elements` elements.

    For an image of h x w that layer has 64 (h + 200) (w + 200) = 64 (h w + 200 (h + w + 200)) elements. Tiles are not
    longer than the image on either axis, so a bound computed with the image's sides holds for its tiles too. Half of
    `max_elements` / 64 pixels always fit, except in a strip of more than 80,000 pixels.
    """
    most = max_elements // _CHANNELS
    return max(most // 2, most - _PADDING * (size.height + size.width + _PADDING))
