"""Content of PNG files: format, ids, and problems of a file as an id mask."""

import io
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from PIL import Image

from cityscapes.predictions import ORIGIN_KEY, WEIGHTS_KEY
from cityscapes.submission.completeness import Size
from engine.arrays import IdArray
from engine.files import png_chunks, png_reader
from engine.files.images import DAMAGED, quiet_pillow
from engine.findings import counted

_CHANNELS = {2: "RGB", 4: "grey and alpha", 6: "RGBA"}
_START = 1024
"""Number of bytes of a PNG in which notes are searched."""
_MAX_PIXELS = 1 << 26
"""Number of pixels above which images are not decoded: an official one has 1 << 21."""

UNDECODABLE = (png_chunks.DamagedError, *DAMAGED)
"""Exceptions that decoding a damaged PNG may raise."""


class MaskInfo(NamedTuple):
    """Content of a file that should be an 8-bit mask of ids."""

    problem: str | None = None
    """Kind of problem: damaged, not a PNG, colour, 16-bit or bit depth; None if there is none."""
    detail: str = ""
    """Details of the problem."""
    size: Size | None = None
    """Width and height in pixels; None if the header cannot be read."""
    pixels: tuple[int, ...] = ()
    """Number of pixels of each id, of length 256; empty if the ids could not be read."""
    palette: bool = False
    """Whether the ids are the indices of a palette."""
    weights_hash: str = ""
    """Hash of the weights that made it, see `WEIGHTS_KEY`; empty if the file has no such note."""
    sha256: str = ""
    """SHA-256 of the file; empty if the ids could not be read."""
    origin_hash: str = ""
    """Hash of its settings and image, see `ORIGIN_KEY`; empty if the file has no such note."""


def inspect(content: bytes) -> MaskInfo:
    """Inspect the content of a file that should be an 8-bit mask of ids."""
    if content and not content.startswith(png_chunks.SIGNATURE):
        return MaskInfo("not a PNG", _true_kind(content))
    try:
        head = png_chunks.header(content)
    except png_chunks.DamagedError as error:
        return MaskInfo("damaged", str(error))
    misfit = _misfit(head.bits, head.kind)
    if misfit is None and head.width * head.height > _MAX_PIXELS:
        misfit = "damaged", f"declares {head.width} x {head.height} pixels"
    if misfit is not None:
        return MaskInfo(*misfit, (head.width, head.height))
    return _counted(content, head)


def _misfit(bits: int, kind: int) -> tuple[str, str] | None:
    """Problem and detail if the pixels are not 8-bit ids."""
    if kind in _CHANNELS:
        return "colour", _CHANNELS[kind]
    if bits == 16:
        return "16-bit", "16 bits per pixel"
    if bits < 8 and kind == png_chunks.GREY:
        return "bit depth", f"{counted(bits, 'bit')} per pixel"
    return None


def _true_kind(content: bytes) -> str:
    try:
        with quiet_pillow():
            return f"is {Image.open(io.BytesIO(content)).format}"
    except (Image.DecompressionBombError, *DAMAGED):
        return "is not an image"


def _counted(content: bytes, head: png_chunks.Header) -> MaskInfo:
    size = head.width, head.height
    try:
        png_chunks.inspect(content)
        ids = decode(content)
    except UNDECODABLE as error:
        return MaskInfo("damaged", str(error), size)
    pixels = tuple(np.bincount(ids.ravel(), minlength=256).tolist())
    weights, made = (png_chunks.note(content[:_START], key.encode()) or "" for key in (WEIGHTS_KEY, ORIGIN_KEY))
    return MaskInfo(None, "", size, pixels, head.kind == png_chunks.PALETTE, weights, sha256(content).hexdigest(), made)


def decode(content: bytes) -> IdArray:
    """Samples of a PNG, decoded completely: (H, W), or (H, W, channels) if it is in colour.

    Raises:
        UNDECODABLE: if the file is damaged.
    """
    ids = png_reader.decode_ids(content)
    if ids is not None:
        return ids
    png_chunks.verify(content)
    with quiet_pillow():
        return np.asarray(Image.open(io.BytesIO(content), formats=["PNG"]))
