"""PNG encoder for masks, which have few values, long runs, and rows that resemble the row above.

Each row is written as its difference from the row above (PNG's filter `Up`). The differences are almost all zeros,
which compress at memory speed. docs/decisions/0004 has the measurements.
"""

import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.arrays import UInt8Array, true_positions

try:
    from isal.isal_zlib import Z_SYNC_FLUSH, compressobj
except ImportError:  # no wheel for this machine: the same pixels, in five times the time
    from zlib import Z_SYNC_FLUSH, compressobj  # type: ignore[assignment]

_UP = 2
_LEVEL = 1
_START = 8
"""Bytes that are compressed before all others, see `compressed`."""
_GREY, _RGB = 0, 2
"""Colour types of PNG: grey and RGB."""
_END = 12
"""Bytes of the end mark (`IEND` chunk)."""
_NO_NOTES: Mapping[str, str] = MappingProxyType({})


class Steps(NamedTuple):
    """A (H, W) uint8 image as its first row and the pixels that differ from the pixel above them.

    An image that is computed from it by a lookup table has steps in the same positions, or in fewer.
    """

    width: int
    height: int
    top: UInt8Array
    """(W,) values of the first row."""
    position: npt.NDArray[np.int64]
    """(S,) positions y * W + x of the pixels."""
    row: npt.NDArray[np.int64]
    """(S,) rows y of the pixels."""
    change: npt.NDArray[np.uint16]
    """(S,) 256 x value of the pixel above + value of the pixel."""

    @classmethod
    def of(cls, image: UInt8Array) -> "Steps":
        """Find the steps of an image."""
        height, width = image.shape
        flat = image.reshape(-1)
        position = true_positions(flat[width:] != flat[:-width]) + width
        change = flat[position - width].astype(np.uint16) << 8 | flat[position]
        return cls(width, height, image[0], position, position // width, change)


class Lookup:
    """Lookup table from the values of an image to ids or colours in a PNG.

    Args:
        table: (256,) uint8 for a PNG of ids, (256, 3) for one of RGB colours.
    """

    def __init__(self, table: UInt8Array) -> None:
        self.table = table
        self.channels = table[0].size
        pixels = table.reshape(256, self.channels)
        self.change = (pixels[None] - pixels[:, None]).view(f"V{self.channels}").reshape(-1)
        """(65536,) bytes of a pixel minus those of the pixel above, indexed by `Steps.change`."""


def encode(ids: npt.NDArray[np.uint8 | np.uint16], notes: Mapping[str, str] = _NO_NOTES) -> bytes:
    """Encode a (H, W) image of ids as a PNG with 8 or 16 bits; for notes see `encode_lookup`."""
    height, width = ids.shape
    rows = ids.astype(ids.dtype.newbyteorder(">"), order="C", copy=False).view(np.uint8)
    lines = np.empty((height, 1 + rows.shape[1]), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return _file(width, height, 8 * ids.itemsize, _GREY, lines, notes)


def encode_lookup(steps: Steps, lookup: Lookup, notes: Mapping[str, str] = _NO_NOTES) -> bytes:
    """Encode the result of a lookup in an image as a PNG, without holding that result in memory.

    Args:
        steps: of the image.
        lookup: to ids or colours.
        notes: key -> text in Latin-1, stored before the pixels; the standard key for the program is "Software".
    """
    kind = _GREY if lookup.channels == 1 else _RGB
    return _file(steps.width, steps.height, 8, kind, lines_of(steps, lookup), notes)


def encode_id_colors(ids: npt.NDArray[np.uint16 | np.uint32], notes: Mapping[str, str] = _NO_NOTES) -> bytes:
    """Encode ids as an RGB PNG, in which red + 256 x green + 65,536 x blue is the id, as in COCO panoptic.

    Args:
        ids: (H, W), 0 to 16,777,215.
        notes: see `encode_lookup`.
    """
    height, width = ids.shape
    flat = ids.reshape(-1)
    position = true_positions(flat[width:] != flat[:-width]) + width
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = _id_colors(flat[:width]).reshape(-1)
    change = _id_colors(flat[position]) - _id_colors(flat[position - width])
    _put(lines, position, position // width, change.view("V3").reshape(-1))
    return _file(width, height, 8, _RGB, lines, notes)


def _id_colors(ids: npt.NDArray[np.uint16 | np.uint32]) -> UInt8Array:
    """(N, 3) lowest three bytes of (N,) ids, the lowest byte first."""
    return np.ascontiguousarray(ids.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3])


def with_note(content: bytes, key: str, text: str) -> bytes:
    """The PNG with one more note after its pixels."""
    end = len(content) - _END
    return content[:end] + _note(key, text) + content[end:]


def encode_rows(rows: UInt8Array) -> bytes:
    """Encode (H, 1 + W) rows that are filtered already, see `png_reader.grey_rows`, as a grey PNG of 8 bits."""
    height, width = rows.shape
    return _file(width - 1, height, 8, _GREY, rows, _NO_NOTES)


def lines_of(steps: Steps, lookup: Lookup) -> UInt8Array:
    """The rows of the looked-up image as differences from the row above, each after the byte of the filter `Up`.

    Returns:
        (H, 1 + W * channels).
    """
    lines = np.zeros((steps.height, 1 + steps.width * lookup.channels), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = lookup.table[steps.top].reshape(-1)
    _put(lines, steps.position, steps.row, lookup.change[steps.change])
    return lines


def _put(
    lines: UInt8Array, position: npt.NDArray[np.int64], row: npt.NDArray[np.int64], change: npt.NDArray[np.void]
) -> None:
    """Write the (S,) changed pixels, each of one byte per channel, into rows that begin with the byte of the filter."""
    channels = change.itemsize
    # A view in which each byte begins a pixel, so that one assignment writes all channels.
    pixels = np.ndarray(lines.size - channels + 1, f"V{channels}", lines, strides=(1,))
    pixels[position * channels + row + 1] = change


def compressed(lines: UInt8Array) -> bytes:
    """The rows, compressed for a PNG; the same rows give the same bytes.

    The first bytes are a block of their own. When ISA-L (2.32) begins a stream with a long block, it uses a register
    that it has not set, so that equal rows may give other bytes in another process or thread (docs/decisions/0004).
    """
    content = lines.reshape(-1).data
    compressor = compressobj(_LEVEL)
    start = compressor.compress(content[:_START]) + compressor.flush(Z_SYNC_FLUSH)
    return start + compressor.compress(content[_START:]) + compressor.flush()


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
