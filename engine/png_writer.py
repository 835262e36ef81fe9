"""A PNG writer for masks: few values, long runs, rows like the row above.

Every row is written as its difference from the row above (the filter `Up` of PNG), which is almost all
zeros, and zeros compress at memory speed. docs/decisions/0004 has the measurements.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

try:
    from isal.isal_zlib import compress
except ImportError:  # a machine without its wheel: the same pixels, in five times the time
    from zlib import compress

UInt8Array = npt.NDArray[np.uint8]

_UP = 2
_LEVEL = 1
_GREY, _RGB = 0, 2
"""Colour types of PNG."""


class Steps(NamedTuple):
    """A (H, W) uint8 image as its first row and the pixels that differ from the one above them.

    Images that follow from it by a lookup differ in the same places, or fewer.
    """

    width: int
    height: int
    top: UInt8Array
    """(W,) the first row."""
    place: npt.NDArray[np.int64]
    """(S,) y * W + x of the pixels."""
    above: UInt8Array
    """(S,) value of the pixel above."""
    here: UInt8Array
    """(S,) value of the pixel."""

    @classmethod
    def of(cls, image: UInt8Array) -> "Steps":
        """Find the steps of an image."""
        height, width = image.shape
        flat = image.reshape(-1)
        place = np.flatnonzero(flat[width:] != flat[:-width]) + width
        return cls(width, height, image[0], place, flat[place - width], flat[place])


def encode(ids: npt.NDArray[np.uint8 | np.uint16], *, software: str | None = None) -> bytes:
    """Encode a (H, W) image of ids as a PNG with 8 or 16 bits, see `encode_lookup` for `software`."""
    height, width = ids.shape
    rows = ids.astype(ids.dtype.newbyteorder(">"), order="C", copy=False).view(np.uint8)
    lines = np.empty((height, 1 + rows.shape[1]), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return _file(width, height, 8 * ids.itemsize, _GREY, lines, software)


def encode_lookup(steps: Steps, table: UInt8Array, *, software: str | None = None) -> bytes:
    """Encode `table[image]` as a PNG without ever having it in memory.

    Args:
        steps: of the image.
        table: (256,) for a PNG of ids, (256, 3) for one of RGB colours.
        software: a note in the file of what made it.
    """
    kind = _GREY if table.ndim == 1 else _RGB
    return _file(steps.width, steps.height, 8, kind, lines_of(steps, table), software)


def lines_of(steps: Steps, table: UInt8Array) -> UInt8Array:
    """The rows of `table[image]` as differences from the row above, each after a byte that says so.

    Returns:
        (H, 1 + W * channels).
    """
    channels = table[0].size
    lines = np.zeros((steps.height, 1 + steps.width * channels), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = table[steps.top].reshape(-1)
    flat = lines.reshape(-1)
    place = steps.place * channels + steps.place // steps.width + 1
    for channel, values in enumerate(table.reshape(len(table), channels).T.copy()):
        flat[place + channel] = values[steps.here] - values[steps.above]
    return lines


def compressed(lines: UInt8Array) -> bytes:
    """Rows as PNG has them inside."""
    return compress(lines, _LEVEL)


def _file(width: int, height: int, bits: int, kind: int, lines: UInt8Array, software: str | None) -> bytes:
    note = b"" if software is None else _chunk(b"tEXt", b"Software\0" + software.encode("latin-1"))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
            note,
            _chunk(b"IDAT", compressed(lines)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
