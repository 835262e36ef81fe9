"""A PNG writer for masks: few values, long runs, rows like the row above.

Every row is written as its difference from the row above (the filter `Up` of PNG), which is almost all
zeros, and zeros compress at memory speed. docs/decisions/0004 has the measurements.
"""

import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
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
_END = 12
"""Bytes of the end mark."""
_NO_NOTES: Mapping[str, str] = MappingProxyType({})


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
    row: npt.NDArray[np.int64]
    """(S,) y of the pixels."""
    change: npt.NDArray[np.uint16]
    """(S,) value of the pixel above x 256 + value of the pixel."""

    @classmethod
    def of(cls, image: UInt8Array) -> "Steps":
        """Find the steps of an image."""
        height, width = image.shape
        flat = image.reshape(-1)
        place = _where(flat[width:] != flat[:-width]) + width
        change = flat[place - width].astype(np.uint16) << 8 | flat[place]
        return cls(width, height, image[0], place, place // width, change)


def _where(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The places of the few that are true, found eight at a time: `np.flatnonzero` in half the time."""
    whole = len(flags) // 8 * 8
    eights = flags[:whole].view(np.uint64)
    some = np.flatnonzero(eights != 0)
    inside = np.flatnonzero(eights[some].view(np.bool_))
    rest = np.flatnonzero(flags[whole:]) + whole
    return np.concatenate([some[inside >> 3] * 8 + (inside & 7), rest])


class Lookup:
    """What each value of an image becomes in a PNG that follows from it.

    Args:
        table: (256,) uint8 for a PNG of ids, (256, 3) for one of RGB colours.
    """

    def __init__(self, table: UInt8Array) -> None:
        self.table = table
        self.channels = table[0].size
        pixels = table.reshape(256, self.channels)
        self.change = (pixels[None] - pixels[:, None]).view(f"V{self.channels}").reshape(-1)
        """(65536,) the bytes of a pixel less those of the one above, by Steps.change."""


def encode(ids: npt.NDArray[np.uint8 | np.uint16], notes: Mapping[str, str] = _NO_NOTES) -> bytes:
    """Encode a (H, W) image of ids as a PNG with 8 or 16 bits, and notes as `encode_lookup` does."""
    height, width = ids.shape
    rows = ids.astype(ids.dtype.newbyteorder(">"), order="C", copy=False).view(np.uint8)
    lines = np.empty((height, 1 + rows.shape[1]), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return _file(width, height, 8 * ids.itemsize, _GREY, lines, notes)


def encode_lookup(steps: Steps, lookup: Lookup, notes: Mapping[str, str] = _NO_NOTES) -> bytes:
    """Encode what an image becomes by a lookup as a PNG, without ever having it in memory.

    Args:
        steps: of the image.
        lookup: ids or colours.
        notes: key -> text in Latin letters, kept in the file before the pixels; "Software" says what made it.
    """
    kind = _GREY if lookup.channels == 1 else _RGB
    return _file(steps.width, steps.height, 8, kind, lines_of(steps, lookup), notes)


def with_note(content: bytes, key: str, text: str) -> bytes:
    """A PNG that ends with one more note, behind its pixels."""
    end = len(content) - _END
    return content[:end] + _note(key, text) + content[end:]


def lines_of(steps: Steps, lookup: Lookup) -> UInt8Array:
    """The rows of the looked up image as differences from the row above, each after a byte that says so.

    Returns:
        (H, 1 + W * channels).
    """
    channels = lookup.channels
    lines = np.zeros((steps.height, 1 + steps.width * channels), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = lookup.table[steps.top].reshape(-1)
    # Every byte as the beginning of a pixel: one assignment for all channels.
    pixels = np.ndarray(lines.size - channels + 1, f"V{channels}", lines, strides=(1,))
    pixels[steps.place * channels + steps.row + 1] = lookup.change[steps.change]
    return lines


def compressed(lines: UInt8Array) -> bytes:
    """Rows as PNG has them inside."""
    return compress(lines, _LEVEL)


def _file(width: int, height: int, bits: int, kind: int, lines: UInt8Array, notes: Mapping[str, str]) -> bytes:
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
            *(_note(key, text) for key, text in notes.items()),
            _chunk(b"IDAT", compressed(lines)),
            _chunk(b"IEND", b""),
        )
    )


def _note(key: str, text: str) -> bytes:
    return _chunk(b"tEXt", f"{key}\0{text}".encode("latin-1"))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
