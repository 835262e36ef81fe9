"""PNG files as bytes: their header, the ids in them, and what is wrong with them as an id mask."""

import io
import struct
import zlib
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from cityscapes.predictions import PREDICTION_KEY, WEIGHTS_KEY
from engine.arrays import IdArray
from engine.files import png_reader
from engine.files.images import quiet_pillow

Size = tuple[int, int]
"""Width and height."""

_CHANNELS = {2: "RGB", 4: "grey and alpha", 6: "RGBA"}
_START = 1024
"""Bytes of a PNG that the note is looked for in."""
_MAX_PIXELS = 1 << 26
"""Larger images are not decoded: an official one has 1 << 21 pixels."""

UNDECODABLE = (png_reader.DamagedError, OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""What is raised for a damaged PNG."""


class MaskInfo(NamedTuple):
    """What one file is, as an 8-bit mask of ids."""

    problem: str | None = None
    """A kind of fault, or None: damaged, no PNG, colour, 16-bit or bit depth."""
    detail: str = ""
    """What exactly is wrong."""
    size: Size | None = None
    pixels: tuple[int, ...] = ()
    """The number of pixels of each id, 256 long; empty if the ids could not be read."""
    palette: bool = False
    """Whether the ids are the indices of a palette."""
    weights_hash: str = ""
    """Hash of the weights that made it, if the file says so, see `WEIGHTS_KEY`."""
    sha256: str = ""
    """Of the file; empty if the ids could not be read."""
    prediction_hash: str = ""
    """Hash of the settings and the image that it was made with, if the file says so, see `MADE_KEY`."""


def inspect(content: bytes) -> MaskInfo:
    """Examine the content of a file that should be an 8-bit mask of ids."""
    if content and not content.startswith(png_reader.SIGNATURE):
        return MaskInfo("no PNG", _true_kind(content))
    try:
        head = png_reader.header(content)
    except png_reader.DamagedError as error:
        return MaskInfo("damaged", str(error))
    misfit = _misfit(head.bits, head.kind)
    if misfit is None and head.width * head.height > _MAX_PIXELS:
        misfit = "damaged", f"claims {head.width} x {head.height} pixels"
    if misfit is not None:
        return MaskInfo(*misfit, (head.width, head.height))
    return _counted(content, head)


def _misfit(bits: int, kind: int) -> tuple[str, str] | None:
    """Why the pixels are not 8-bit ids, as trouble and detail."""
    if kind in _CHANNELS:
        return "colour", _CHANNELS[kind]
    if bits == 16:
        return "16-bit", "16 bits a pixel"
    if bits < 8 and kind == png_reader.GREY:
        return "bit depth", f"{bits} bits a pixel"
    return None


def _true_kind(content: bytes) -> str:
    try:
        with quiet_pillow():
            return f"is {Image.open(io.BytesIO(content)).format}"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "is no image"


def _counted(content: bytes, head: png_reader.Header) -> MaskInfo:
    size = head.width, head.height
    try:
        png_reader.inspect(content)
        ids = decode(content)
    except UNDECODABLE as error:
        return MaskInfo("damaged", str(error), size)
    pixels = tuple(np.bincount(ids.ravel(), minlength=256).tolist())
    weights, made = (png_reader.note(content[:_START], key.encode()) or "" for key in (WEIGHTS_KEY, PREDICTION_KEY))
    return MaskInfo(None, "", size, pixels, head.kind == png_reader.PALETTE, weights, sha256(content).hexdigest(), made)


def decode(content: bytes) -> IdArray:
    """The samples of a PNG, decoded completely: (H, W), or (H, W, channels) of one in colour.

    Raises:
        UNDECODABLE: if it is damaged.
    """
    ids = png_reader.decode_ids(content)
    if ids is not None:
        return ids
    png_reader.verify(content)
    with quiet_pillow():
        return np.asarray(Image.open(io.BytesIO(content), formats=["PNG"]))
