"""Regions of images that training crops show: drawn from torch's default generator, from the size of an image alone."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from engine.data.class_index import Pixel


class Region(NamedTuple):
    """A rectangle in the pixels of an image; it may reach beyond the image's borders."""

    top: int
    left: int
    height: int
    width: int


class Regions(Protocol):
    """Draws regions. Where a pixel is given that fits in, the region lies over it."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw a region of an image of that size.

        Args:
            height: of the image.
            width: likewise.
            pixel: row and column of a pixel that the region must contain, None for any region.
        """


@dataclass(frozen=True)
class ScaledRegions:
    """Squares that become crops of `size` pixels at a random scale, as far inside the image as they fit.

    The logarithm of the scale is uniform. A square that is longer than the image lies centred over it.
    """

    size: int
    scale: tuple[float, float]

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the scale, then the place."""
        low, high = self.scale
        factor = low * (high / low) ** torch.rand(()).item()
        side = max(1, round(self.size / factor))
        row, column = (None, None) if pixel is None else pixel
        return Region(_offset(height, side, row), _offset(width, side, column), side, side)


@dataclass(frozen=True)
class PlainRegions:
    """Squares of `size` pixels, with the draws of torchvision's `RandomCrop(size, pad_if_needed=True)`.

    A smaller image lies anywhere in its square.
    """

    size: int

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the place."""
        top, left = self._start(height), self._start(width)
        if pixel is not None and height >= self.size:
            top = _offset(height, self.size, pixel[0])
        if pixel is not None and width >= self.size:
            left = _offset(width, self.size, pixel[1])
        return Region(top, left, self.size, self.size)

    def _start(self, length: int) -> int:
        """Where the square begins along an axis; torchvision first pads a shorter axis on both sides."""
        padding = max(0, self.size - length)
        room = length + 2 * padding - self.size
        return (int(torch.randint(room + 1, ()).item()) if room else 0) - padding


@dataclass(frozen=True)
class AreaRegions:
    """Rectangles of random area and shape inside the image, with the draws of torchvision's `RandomResizedCrop`."""

    area: tuple[float, float] = (0.08, 1.0)
    """Lowest and highest share of the image."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Lowest and highest ratio of width to height; its logarithm is uniform."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the area and the shape until they fit into the image, at most ten times, then the place."""
        region = self._draw(height, width)
        if pixel is None:
            return region
        top, left = _offset(height, region.height, pixel[0]), _offset(width, region.width, pixel[1])
        return region._replace(top=top, left=left)

    def _draw(self, height: int, width: int) -> Region:
        low, high = _logarithms(self.ratio)
        for _ in range(10):
            area = height * width * torch.empty(1).uniform_(*self.area).item()
            ratio = torch.empty(1).uniform_(low, high).exp().item()
            across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < across <= width and 0 < down <= height:
                top = int(torch.randint(height - down + 1, ()).item())
                left = int(torch.randint(width - across + 1, ()).item())
                return Region(top, left, down, across)
        narrowest, widest = self.ratio
        across, down = min(width, round(height * widest)), min(height, round(width / narrowest))
        return Region((height - down) // 2, (width - across) // 2, down, across)


@functools.cache
def _logarithms(numbers: tuple[float, float]) -> list[float]:
    """The logarithms as float32 has them, because torchvision draws between these."""
    return torch.tensor(numbers).log().tolist()


@dataclass(frozen=True)
class OneOf:
    """Regions of one kind among several, with the draws of torchvision's `RandomChoice`."""

    kinds: Sequence[Regions]
    probabilities: tuple[float, ...]

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the kind, then the region."""
        place = int(torch.multinomial(torch.tensor(self.probabilities), 1).item())
        return self.kinds[place].draw(height, width, pixel)


def _offset(length: int, side: int, pixel: int | None) -> int:
    """Where a region of `side` begins along an axis of `length` pixels: at random, centred if it is longer.

    If there is a pixel, the region lies over it.
    """
    room = length - side
    if room < 0:
        return -(-room // 2)
    low, high = (0, room) if pixel is None else (max(0, pixel - side + 1), min(pixel, room))
    return low + int(torch.randint(high - low + 1, ()).item())
