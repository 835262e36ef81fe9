"""Reader for the zip of a submission, without unpacking it."""

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
"""Size above which files are not read: a bird's-eye view has 320,000 bytes before compression."""

_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, SyntaxError, struct.error, zlib.error, lzma.LZMAError)
_BAD_ZIP = (zipfile.BadZipFile, NotImplementedError)


class ImageInfo(NamedTuple):
    """Format of one file in a zip."""

    name: str
    """Path within the zip."""
    mode: str = ""
    """Pixel format, as named by Pillow; empty if the file could not be read."""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels."""
    problem: str = ""
    """Error of reading the file; empty if there was none."""


def inspect(archive: Path) -> Iterator[ImageInfo]:
    """Inspect every file of a zip, in the order of their names.

    Raises:
        InputError: if the file is not a zip, or cannot be read.
    """
    require_readable(archive)
    try:
        packed = zipfile.ZipFile(archive)
    except (*_UNREADABLE, *_BAD_ZIP) as error:
        raise InputError(
            f"{archive}: not a complete zip ({error}); pack the predictions again: "
            "python -m kitti_road.submission pack DIR ZIP"
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
            # One byte more than declared, so that the checksum is verified; nothing beyond it is inflated.
            content = file.read(info.file_size + 1)
        with quiet_pillow(), Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width * image.height <= MAX_BYTES:
                image.load()
            return ImageInfo(info.filename, image.mode, image.size)
    except (*_UNREADABLE, *_BAD_ZIP, Image.DecompressionBombError) as error:
        return ImageInfo(info.filename, problem=str(error))
