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


def true_positions(flags: npt.NDArray[np.bool_]) -> Int64Array:
    """The indices of the true values of (N,) flags.

    They are searched eight at a time, which takes half the time of `np.flatnonzero` if few are true.
    """
    whole = len(flags) // 8 * 8
    eights = flags[:whole].view(np.uint64)
    some = np.flatnonzero(eights != 0)
    inside = np.flatnonzero(eights[some].view(np.bool_))
    rest = np.flatnonzero(flags[whole:]) + whole
    return np.concatenate([some[inside >> 3] * 8 + (inside & 7), rest])


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
