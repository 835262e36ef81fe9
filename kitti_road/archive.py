"""The zip that the server takes, read without unpacking it."""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from engine.errors import InputError
from engine.files.archives import require_readable
from engine.files.images import quiet_pillow

MAX_BYTES = 16 << 20
"""Larger files are not read: a bird's-eye view has 320,000 bytes before it is compressed."""

_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, SyntaxError, struct.error, zlib.error, lzma.LZMAError)
_BAD_ZIP = (zipfile.BadZipFile, NotImplementedError)


class ImageInfo(NamedTuple):
    """What one file of a zip is."""

    name: str
    mode: str = ""
    """Pillow's name of the pixel format; empty if it could not be read."""
    size: tuple[int, int] = (0, 0)
    problem: str = ""
    """Why it could not be read."""


def inspect(archive: Path) -> Iterator[ImageInfo]:
    """Look into every file of a zip, in the order of their names.

    Raises:
        InputError: if it is no zip, or cannot be read.
    """
    require_readable(archive)
    try:
        packed = zipfile.ZipFile(archive)
    except (*_UNREADABLE, *_BAD_ZIP) as error:
        raise InputError(
            f"{archive}: no whole zip ({error}); pack the predictions: python -m kitti_road.submission pack DIR ZIP"
        ) from error
    with packed:
        for info in sorted(packed.infolist(), key=lambda info: info.filename):
            if not info.is_dir():
                yield _inspect_image(packed, info)


def _inspect_image(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> ImageInfo:
    if info.file_size > MAX_BYTES:
        return ImageInfo(info.filename, problem=f"{info.file_size} bytes")
    try:
        with packed.open(info) as file:
            # One byte more than declared makes the checksum count, and no more is ever inflated.
            content = file.read(info.file_size + 1)
        with quiet_pillow(), Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width * image.height <= MAX_BYTES:
                image.load()
            return ImageInfo(info.filename, image.mode, image.size)
    except (*_UNREADABLE, *_BAD_ZIP, Image.DecompressionBombError) as error:
        return ImageInfo(info.filename, problem=str(error))
