"""Random regions of images that become training crops.

They are drawn with torch's default random generator and depend only on the size of an image.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from engine.data.class_index import Pixel


class Region(NamedTuple):
    """Rectangle in the pixels of an image; it may extend beyond the borders."""

    top: int
    """First row of the region; negative above the image."""
    left: int
    """First column of the region; negative left of the image."""
    height: int
    """Height of the region in pixels of the image."""
    width: int
    """Width of the region in pixels of the image."""


class Regions(Protocol):
    """Draws random regions. If a pixel is given, the region contains it where possible."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw a region of an image.

        Args:
            height: height of the image in pixels.
            width: width of the image in pixels.
            pixel: row and column of a pixel that the region must contain, None for any region.
        """


@dataclass(frozen=True)
class ScaledRegions:
    """Squares that are resized to `size` pixels, so that the image appears at a random scale.

    The logarithm of the scale is uniform. Squares lie inside the image; along an axis on which the image is shorter,
    they are centred.
    """

    size: int
    """Side of the crop in pixels."""
    scale: tuple[float, float]
    """Lowest and highest scale of the image in the crop."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the scale, then the position."""
        low, high = self.scale
        factor = low * (high / low) ** torch.rand(()).item()
        side = max(1, round(self.size / factor))
        row, column = (None, None) if pixel is None else pixel
        return Region(_offset(height, side, row), _offset(width, side, column), side, side)


@dataclass(frozen=True)
class PlainRegions:
    """Squares of `size` pixels at the original scale, drawn like torchvision's `RandomCrop(size, pad_if_needed=True)`.

    A smaller image has a random position in its square.
    """

    size: int
    """Side of the crop in pixels."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the position."""
        top, left = self._start(height), self._start(width)
        if pixel is not None and height >= self.size:
            top = _offset(height, self.size, pixel[0])
        if pixel is not None and width >= self.size:
            left = _offset(width, self.size, pixel[1])
        return Region(top, left, self.size, self.size)

    def _start(self, length: int) -> int:
        """Draw the first pixel of the square along an axis; torchvision first pads a shorter axis on both sides."""
        padding = max(0, self.size - length)
        room = length + 2 * padding - self.size
        return (int(torch.randint(room + 1, ()).item()) if room else 0) - padding


@dataclass(frozen=True)
class AreaRegions:
    """Rectangles of random area and aspect ratio inside the image, drawn like torchvision's `RandomResizedCrop`."""

    area: tuple[float, float] = (0.08, 1.0)
    """Lowest and highest area, as a share of the image."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Lowest and highest ratio of width to height; its logarithm is uniform."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw area and aspect ratio until they fit into the image, at most ten times, then the position."""
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
    """Logarithms rounded to float32, because torchvision draws between these."""
    return torch.tensor(numbers).log().tolist()


@dataclass(frozen=True)
class OneOf:
    """Regions of one kind, chosen at random like torchvision's `RandomChoice`."""

    kinds: Sequence[Regions]
    """Kinds of regions to choose from."""
    probabilities: tuple[float, ...]
    """Probability of each kind; they sum to 1."""

    def draw(self, height: int, width: int, pixel: Pixel | None) -> Region:
        """Draw the kind, then the region."""
        choice = int(torch.multinomial(torch.tensor(self.probabilities), 1).item())
        return self.kinds[choice].draw(height, width, pixel)


def _offset(length: int, side: int, pixel: int | None) -> int:
    """Draw the first pixel of a region of `side` pixels along an axis of `length` pixels; a longer region is centred.

    If a pixel is given, the region contains it.
    """
    room = length - side
    if room < 0:
        return -(-room // 2)
    low, high = (0, room) if pixel is None else (max(0, pixel - side + 1), min(pixel, room))
    return low + int(torch.randint(high - low + 1, ()).item())
