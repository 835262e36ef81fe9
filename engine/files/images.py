"""Image files: read with a clear word about what is wrong, written whole."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files import png_writer
from engine.files.atomic import replacing, write_bytes
from engine.files.png_reader import MAX_PIXELS, decode_ids, decode_rgb, note

if TYPE_CHECKING:
    from PIL import Image  # imported where it is used: drawing masks needs none of it, and starts sooner

IdArray = npt.NDArray[np.uint8 | np.uint16]

_START = 1024
"""Bytes of a PNG that notes are looked for in."""


def open_image(path: Path) -> "Image.Image":
    """Decode an image file completely.

    Raises:
        InputError: if the file is missing, empty, truncated, absurdly large or no image at all.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels is more than is read here; tile the image"
                )
            image.load()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        size = path.stat().st_size
        kind = "the file is empty" if size == 0 else f"the file ({size} bytes) is no image"
        raise InputError(f"{path}: {kind}; unpack or download it again") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise InputError(f"{path}: damaged image ({error}); unpack or download it again") from error
    return image


def read_image(path: Path) -> UInt8Array:
    """Read a colour image.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    if path.is_file() and (pixels := decode_rgb(path.read_bytes())) is not None:
        return pixels
    return np.asarray(open_image(path).convert("RGB"))


def read_ids(path: Path) -> IdArray:
    """Read an image whose pixel values are ids: label ids, train ids or instance ids.

    Returns:
        (H, W) uint8, or uint16 where the file has 16 bits. A palette image gives its indices.

    Raises:
        InputError: as for `open_image`, and if the image has more than one channel.
    """
    if path.is_file() and (ids := decode_ids(path.read_bytes())) is not None:
        return ids
    image = open_image(path)
    if image.mode in ("L", "P"):
        return np.asarray(image)
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)
    raise InputError(
        f"{path}: expected one channel of ids, got a {image.mode} image; "
        "this looks like a colour mask, give the id mask instead"
    )


def write_png(path: Path, pixels: IdArray, *, software: str | None = None) -> None:
    """Write (H, W) uint8 or uint16 ids, or (H, W, 3) uint8 RGB, as PNG.

    Args:
        path: of the file.
        pixels: what to write.
        software: a note in the file of what made it, for `software_of`.
    """
    if pixels.ndim == 2:
        write_bytes(path, png_writer.encode(pixels, software=software))
        return
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    if software is not None:
        notes.add_text("Software", software)
    with replacing(path) as file:
        Image.fromarray(pixels).save(file, format="PNG", compress_level=1, pnginfo=notes)


def software_of(path: Path) -> str | None:
    """What a PNG says that it was made by, None if it says nothing or cannot be read."""
    try:
        with path.open("rb") as file:
            return note(file.read(_START), b"Software")
    except OSError:
        return None


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header alone.

    Raises:
        InputError: if the file is missing or no image.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: no readable image ({error}); unpack or download it again") from error


def synthetic_image(size: tuple[int, int]) -> UInt8Array:
    """A (H, W, 3) image of smooth colours with some noise, the same for the same size."""
    height, width = size
    rows, columns = np.ogrid[:height, :width]
    smooth = [128 + 90 * np.sin(rows / (31 + 9 * band) + band) * np.cos(columns / (47 - 8 * band)) for band in range(3)]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 1))
    return (np.stack(smooth, -1) + noise).clip(0, 255).astype(np.uint8)
