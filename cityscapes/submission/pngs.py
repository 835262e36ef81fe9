"""PNG files as bytes: their header, the ids in them, and what is wrong with them as an id mask."""

import io
import struct
import zlib
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

Size = tuple[int, int]
"""Width and height."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 26
_GREY, _PALETTE = 0, 3
_CHANNELS = {2: "RGB", 4: "grey and alpha", 6: "RGBA"}
_MAX_PIXELS = 1 << 26
"""Larger images are not decoded: an official one has 1 << 21 pixels."""


class Look(NamedTuple):
    """What one file is, as an 8-bit mask of ids."""

    trouble: str | None = None
    """A kind of fault, or None: damaged, no PNG, colour, 16-bit or bit depth."""
    detail: str = ""
    """What exactly is wrong."""
    size: Size | None = None
    pixels: tuple[int, ...] = ()
    """The number of pixels of each id, 256 long; empty if the ids could not be read."""
    palette: bool = False
    """Whether the ids are the indices of a palette."""


def look(content: bytes) -> Look:
    """Examine the content of a file that should be an 8-bit mask of ids."""
    if not content.startswith(_SIGNATURE):
        return Look("no PNG", _true_kind(content)) if content else Look("damaged", "the file is empty")
    if len(content) < _HEADER_END:
        return Look("damaged", "cut off within the header")
    width, height, bits, kind = _header(content)
    misfit = _misfit(bits, kind)
    if misfit is None and width * height > _MAX_PIXELS:
        misfit = "damaged", f"claims {width} x {height} pixels"
    if misfit is not None:
        return Look(*misfit, (width, height))
    return _decoded(content, (width, height), palette=kind == _PALETTE)


def _header(content: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits a sample and the kind of colour."""
    width, height, bits, kind = struct.unpack_from(">IIBB", content, 16)
    return width, height, bits, kind


def _misfit(bits: int, kind: int) -> tuple[str, str] | None:
    """Why the pixels are not 8-bit ids, as trouble and detail."""
    if kind in _CHANNELS:
        return "colour", _CHANNELS[kind]
    if bits == 16:
        return "16-bit", "16 bits a pixel"
    if bits < 8 and kind == _GREY:
        return "bit depth", f"{bits} bits a pixel"
    return None


def _true_kind(content: bytes) -> str:
    try:
        return f"is {Image.open(io.BytesIO(content)).format}"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "is no image"


def _decoded(content: bytes, size: Size, *, palette: bool) -> Look:
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        kind = "cut off" if b"IEND" not in content[-16:] else "damaged"
        return Look("damaged", f"{kind}: {error}", size)
    return Look(None, "", size, tuple(image.histogram()), palette)
