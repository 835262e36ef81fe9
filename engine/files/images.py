"""Image files: reading with clear errors, atomic writing."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files import png_chunks, png_reader, png_writer
from engine.files.atomic import replacing, write_bytes
from engine.files.content import read_bytes, reading

if TYPE_CHECKING:
    from PIL import Image  # imported late: drawing masks starts sooner without it

IdArray = npt.NDArray[np.uint8 | np.uint16]

_START = 1024
"""Bytes at the start of a PNG in which notes are searched."""
_MAX_ID = 0xFFFF
DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, struct.error, zlib.error, MemoryError),
    *(RuntimeError, AttributeError, AssertionError, ArithmeticError),
)
"""Exceptions that Pillow raises for damaged files; MemoryError for a wrong size in the header."""
_AGAIN = "unpack, download or make it again"


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings about large or odd images; real faults are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_image(path: Path) -> "Image.Image":
    """Decode an image file completely; the checksums of a PNG are compared first.

    Raises:
        InputError: if the file is missing, empty, truncated, damaged, far too large, or not an image.
    """
    return decode_image(path, read_bytes(path))


def decode_image(path: Path, content: bytes) -> "Image.Image":
    """Decode the content of an image file, see `open_image`; messages name its path."""
    _require_whole(path, content, png_chunks.verify)
    return _decoded(path, content)


def read_image(path: Path) -> UInt8Array:
    """Read a colour image; grey is repeated in all channels, transparency is dropped.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: as for `open_image`, and if a grey image has more than 8 bits.
    """
    content = read_bytes(path)
    if (pixels := png_reader.decode_rgb(content)) is not None:
        return pixels
    _require_whole(path, content, png_chunks.inspect)  # verifying the stream of an image too would take 10 ms more
    image = _decoded(path, content)
    if image.mode.startswith(("I", "F")):
        raise InputError(
            f"{path}: a grey image of more than 8 bits, expected 8 bits a channel; "
            "convert it to 8 bits, with the brightness range that the network expects"
        )
    return np.asarray(image.convert("RGB"))


def read_ids(path: Path) -> IdArray:
    """Read an image whose pixel values are ids: label ids, train ids or instance ids.

    All checksums of a PNG are compared, because a damaged PNG often decodes to other ids without an error.

    Returns:
        (H, W) uint8, or uint16 where the file has 16 bits. A palette image gives its indices.

    Raises:
        InputError: as for `open_image`, and if the image has more than one channel, or ids beyond 65535.
    """
    content = read_bytes(path)
    if (ids := png_reader.decode_ids(content)) is not None:
        return ids
    _require_whole(path, content, png_chunks.verify)
    image = _decoded(path, content)
    if image.mode in ("L", "P") and not _is_scaled(content):
        return np.asarray(image)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > _MAX_ID:
            raise InputError(
                f"{path}: values from {values.min()} to {values.max()}, expected ids from 0 to {_MAX_ID}; "
                "write them as PNG with 8 or 16 bits"
            )
        return values.astype(np.uint16)
    if image.mode in ("1", "L"):
        raise InputError(f"{path}: grey of less than 8 bits a pixel, expected 8 or 16; write it with 8 bits")
    raise InputError(
        f"{path}: expected one channel of ids, got an image of mode {image.mode}; "
        "this looks like a colour mask, give the id mask instead"
    )


def _require_whole(path: Path, content: bytes, prove: Callable[[bytes], object]) -> None:
    """Refuse a damaged PNG, which Pillow may read without an error; other formats are left to Pillow."""
    if not content.startswith(png_chunks.SIGNATURE):
        return
    try:
        prove(content)
    except png_chunks.DamagedError as error:
        raise InputError(f"{path}: damaged image ({error}); {_AGAIN}") from error


def _is_scaled(content: bytes) -> bool:
    """Whether Pillow scales the values of a PNG to 0 to 255, as it does for grey of 2 and 4 bits."""
    if not content.startswith(png_chunks.SIGNATURE):
        return False
    head = png_chunks.header(content)
    return head.kind == png_chunks.GREY and head.bits < 8


def _decoded(path: Path, content: bytes) -> "Image.Image":
    """Decode the content of an image file; messages name its path."""
    from PIL import Image, UnidentifiedImageError

    try:
        with quiet_pillow():
            image = Image.open(io.BytesIO(content))
            _require_readable_size(path, image.size)
            image.load()
    except UnidentifiedImageError as error:
        kind = f"the file ({len(content)} bytes) is not an image" if content else "the file is empty"
        raise InputError(f"{path}: {kind}; {_AGAIN}") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {error}; tile the image") from error
    except DAMAGED as error:
        raise InputError(f"{path}: damaged image ({error}); {_AGAIN}") from error
    return image


def _require_readable_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > png_chunks.MAX_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels, expected at most {png_chunks.MAX_PIXELS:,}; tile the image"
        )


def write_png(path: Path, pixels: IdArray, *, notes: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write (H, W) uint8 or uint16 ids, or (H, W, 3) uint8 RGB, as PNG.

    Args:
        path: of the file.
        pixels: to write.
        notes: key -> text in Latin-1, stored in the file (`tEXt` chunks) and read by `note_of`; the standard key for
            the program is "Software".
    """
    if pixels.ndim == 2:
        write_bytes(path, png_writer.encode(pixels, notes))
        return
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    for key, text in notes.items():
        texts.add_text(key, text)
    with replacing(path) as file:
        Image.fromarray(pixels).save(file, format="PNG", compress_level=1, pnginfo=texts)


def note_of(path: Path, key: str) -> str | None:
    """The text of a note (`tEXt` chunk) in a PNG; None if there is no such note, or the file cannot be read."""
    try:
        with reading(path) as file:
            return png_chunks.note(file.read(_START), key.encode("latin-1"))
    except InputError:
        return None


def stated_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in the header of an image, which is not decoded; None if they cannot be read."""
    if content.startswith(png_chunks.SIGNATURE):
        try:
            return png_chunks.header(content)[:2]
        except png_chunks.DamagedError:
            return None
    from PIL import Image

    try:
        with quiet_pillow(), Image.open(io.BytesIO(content)) as image:
            return image.size
    except (Image.DecompressionBombError, *DAMAGED):
        return None


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header alone.

    Raises:
        InputError: if the file is missing, not an image, or larger than `png_chunks.MAX_PIXELS`.
    """
    from PIL import Image

    with reading(path) as file:
        try:
            with quiet_pillow(), Image.open(file) as image:
                size = image.size
        except Image.DecompressionBombError as error:
            raise InputError(f"{path}: {error}; tile the image") from error
        except DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:  # from the disk, not from Pillow
                raise
            raise InputError(f"{path}: not a readable image ({error}); {_AGAIN}") from error
    _require_readable_size(path, size)
    return size


def synthetic_image(size: tuple[int, int]) -> UInt8Array:
    """A (H, W, 3) uint8 image of smooth colours with noise; deterministic for a size."""
    height, width = size
    rows, columns = np.ogrid[:height, :width]
    smooth = [128 + 90 * np.sin(rows / (31 + 9 * band) + band) * np.cos(columns / (47 - 8 * band)) for band in range(3)]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 1))
    return (np.stack(smooth, -1) + noise).clip(0, 255).astype(np.uint8)
