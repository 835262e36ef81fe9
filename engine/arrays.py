"""Types of NumPy arrays, sizes of images, and the unit of memory."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
IdArray = npt.NDArray[np.uint8 | np.uint16]
"""Class, label or instance ids."""
Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

MIB = 1 << 20
"""Bytes of a mebibyte."""


class Size(NamedTuple):
    """Height and width of an image in pixels."""

    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Number of pixels of the image."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height} x {self.width}"

    def holds(self, other: "Size") -> bool:
        """Whether an image of the other size can be cut out of an image of this size."""
        return self.height >= other.height and self.width >= other.width

    def with_at_most(self, pixels: float) -> "Size":
        """This size, or the largest size of the same shape with at most so many pixels."""
        if self.pixels <= pixels:
            return self
        factor = math.sqrt(pixels / self.pixels)
        return Size(max(1, int(self.height * factor)), max(1, int(self.width * factor)))
