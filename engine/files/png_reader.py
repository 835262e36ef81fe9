"""PNG files as bytes: whole or damaged, and plain ids and colours decoded fast.

Pillow undoes the filters of a PNG byte by byte, which is nearly all the time that scoring takes. Wuffs
(package `pywuffs`, optional) does the same to the same bytes in less than half the time; see
docs/decisions for the measurement. Whatever is not a plain image of ids or of RGB is left to Pillow.
"""

import functools
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

try:
    import pywuffs
    import pywuffs.aux
except ImportError:
    FAST = False
else:
    FAST = True
"""Whether Wuffs is there."""

UInt8Array = npt.NDArray[np.uint8]
IdArray = npt.NDArray[np.uint8 | np.uint16]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3
"""Kinds of colour; grey and palettes hold ids."""
MAX_PIXELS = 1 << 28
"""Larger images are refused before they are decoded: nothing in this field has 268 megapixels."""


class Header(NamedTuple):
    """What the first chunk of a PNG says."""

    width: int
    height: int
    bits: int
    """Bits a sample."""
    kind: int
    """The kind of colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    compression: int
    filtering: int
    interlacing: int


class DamagedError(Exception):
    """Bytes that are no whole PNG, with what is wrong with them."""


def header(content: bytes) -> Header:
    """The header of a PNG, which need not be whole.

    Raises:
        DamagedError: if the bytes do not begin with one.
    """
    if not content.startswith(SIGNATURE):
        raise DamagedError("no PNG" if content else "the file is empty")
    if len(content) < 33 or content[12:16] != b"IHDR":
        raise DamagedError("cut off within the header")
    return Header(*struct.unpack_from(">IIBBBBB", content, 16))


def inspect(content: bytes) -> Header:
    """Prove by the checksums of its chunks that a PNG is whole, without decoding it; what follows its end is ignored.

    Raises:
        DamagedError: if a byte is wrong or missing, up to the end mark.
    """
    return _inspect(content)[0]


def note(start: bytes, key: bytes) -> str | None:
    """A note (`tEXt`) that stands before the pixels of a PNG, or None; the start of the file must reach that far."""
    place = len(SIGNATURE)
    while start.startswith(SIGNATURE) and place + 8 <= len(start):
        length, name = struct.unpack_from(">I4s", start, place)
        content = start[place + 8 : place + 8 + length]
        if name == b"tEXt" and content.startswith(key + b"\0"):
            return content[len(key) + 1 :].decode("latin-1")
        if name in (b"IDAT", b"IEND"):
            break
        place += length + 12
    return None


def decode_ids(content: bytes) -> IdArray | None:
    """The ids in an undamaged grey PNG of 8 or 16 bits, or None where Pillow must say what it is.

    Returns:
        (H, W) uint8 or uint16, exactly as Pillow decodes it.
    """
    head = _plain(content)
    if head is None or head.kind != GREY or head.bits not in (8, 16):
        return None
    pixels = _decoded(content, head, "Y" if head.bits == 8 else "Y_16LE")
    if pixels is None:
        return None
    ids: IdArray = pixels[..., 0] if head.bits == 8 else pixels.view("<u2")[..., 0]
    return ids


def decode_rgb(content: bytes) -> UInt8Array | None:
    """The pixels of an undamaged PNG of 8 bits a colour, or None where Pillow must say what it is.

    Returns:
        (H, W, 3) uint8, RGB, exactly as Pillow decodes it.
    """
    head = _plain(content)
    return _decoded(content, head, "RGB") if head is not None and head.kind == RGB and head.bits == 8 else None


def _plain(content: bytes) -> Header | None:
    """The header of an undamaged PNG without transparency, None if it is anything else or Wuffs is not there."""
    if not FAST:
        return None
    try:
        head, names = _inspect(content)
    except DamagedError:
        return None
    return head if b"tRNS" not in names and 0 < head.width * head.height <= MAX_PIXELS else None


def _inspect(content: bytes) -> tuple[Header, set[bytes]]:
    """The header and the names of the chunks."""
    head = header(content)
    names = set()
    for name, checksum, expected in _chunks(content):
        if checksum != expected:
            raise DamagedError(f"wrong checksum in chunk {name.decode('latin-1')}")
        names.add(name)
    if b"IDAT" not in names:
        raise DamagedError("no pixels in it")
    return head, names


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, checksum and the checksum that it should have, of each chunk up to the end mark."""
    view = memoryview(content)
    place, name = len(SIGNATURE), b""
    while name != b"IEND":
        end = place + 8 + int.from_bytes(view[place : place + 4], "big")
        if end + 4 > len(content):
            raise DamagedError("cut off")
        name = bytes(view[place + 4 : place + 8])
        yield name, zlib.crc32(view[place + 4 : end]), int.from_bytes(view[end : end + 4], "big")
        place = end + 4


def _decoded(content: bytes, head: Header, pixel_format: str) -> UInt8Array | None:
    """(H, W, bytes a pixel), None if Wuffs refuses."""
    keep_freed_memory()
    settings = pywuffs.aux.ImageDecoderConfig()
    settings.enabled_decoders = [pywuffs.ImageDecoderType.PNG]
    settings.pixel_format = getattr(pywuffs.PixelFormat, pixel_format)
    decoded = pywuffs.aux.ImageDecoder(settings).decode(content)
    if decoded.error_message:
        return None
    pixels: UInt8Array = decoded.pixbuf
    return pixels if pixels.shape[:2] == (head.height, head.width) else None


_LARGEST_KEPT = 24 << 20
"""Bytes; glibc takes no more than 32 MiB."""


@functools.cache
def keep_freed_memory() -> None:
    """Make glibc's malloc keep what is freed for the next image, once in a process; harmless elsewhere.

    It gives blocks of megabytes back to the system at once and gets them anew, zeroed page by page, which takes
    a tenth of the time of drawing a mask and a quarter of that of decoding one. Freeing one large block raises
    its threshold to that size.
    """
    np.empty(_LARGEST_KEPT, np.uint8)
