"""PNG files as bytes: whole or damaged, and plain ids and colours decoded fast.

kornia-rs decodes them in half of Pillow's time; docs/decisions says why, and what is proved before. Whatever is not a
plain image of ids or of RGB is left to Pillow, after `verify`: Pillow itself reads some damaged files without a word.
"""

import functools
import signal
import struct
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

try:
    from isal import isal_zlib as zlib
except ImportError:  # a machine without its wheel, as in png_writer
    import zlib  # type: ignore[no-redef]

UInt8Array = npt.NDArray[np.uint8]
IdArray = npt.NDArray[np.uint8 | np.uint16]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3
"""Kinds of colour; grey and palettes hold ids."""
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, 4: 2, 6: 4}
"""Samples a pixel, by kind of colour."""
_IDS, _COLOURS = {(GREY, 8), (GREY, 16), (PALETTE, 8)}, {(RGB, 8)}
"""Kinds of colour and bits a sample that are plain."""
_NOT_PLAIN = {b"tRNS", b"acTL", b"fcTL"}
"""Chunks of images that are transparent or move."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of interlaced images: first column, first row, and the steps from each to the next."""
_PIECE = 1 << 16
"""Compressed bytes that are inflated at a time, so that a stream without end takes little memory."""
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


def verify(content: bytes) -> Header:
    """Prove that a PNG is whole: as `inspect`, and that its stream inflates to all rows with the right checksum.

    Both checksums are needed: Pillow compares neither that of the chunks with pixels nor, once all rows are there,
    that of the stream, and one changed bit in a mask often gives other ids in all rows that follow.

    Raises:
        DamagedError: if a byte is wrong or missing.
    """
    head, chunks = _inspect(content)
    if len(chunks[b"IHDR"]) > 1 or not head.width * head.height:  # Pillow would take the last header
        raise DamagedError("more than one header, or no pixels")
    if head.kind in CHANNELS and 0 < head.width * head.height <= MAX_PIXELS and not _inflates(chunks[b"IDAT"], head):
        raise DamagedError("the compressed pixels are damaged")
    return head


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
    """The ids in an undamaged PNG, grey of 8 or 16 bits or a palette's of 8, or None where Pillow must say what it is.

    Returns:
        (H, W) uint8 or uint16, exactly as Pillow decodes it.
    """
    pixels = _decoded(content, _IDS)
    return None if pixels is None else pixels[..., 0]


def decode_rgb(content: bytes) -> UInt8Array | None:
    """The pixels of an undamaged PNG of 8 bits a colour, or None where Pillow must say what it is.

    Returns:
        (H, W, 3) uint8, RGB, exactly as Pillow decodes it.
    """
    pixels = _decoded(content, _COLOURS)
    return None if pixels is None else pixels.astype(np.uint8, copy=False)


def _decoded(content: bytes, plain: Collection[tuple[int, int]]) -> IdArray | None:
    """(H, W, channels) of an undamaged PNG of one of these kinds of colour and bits, None of anything else.

    Only the first thread of a process decodes here. kornia-rs keeps Python's lock for a whole image, so other threads
    would wait for each other, and the thread that keeps a GPU busy would wait for all of them. Pillow gives it free.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    keep_freed_memory()
    head = _plain(content, plain)
    return None if head is None else _pixels(content, head)


def _plain(content: bytes, plain: Collection[tuple[int, int]]) -> Header | None:
    """The header of a PNG without damage, transparency or frames, None of anything else."""
    try:
        head, chunks = _inspect(content)
    except DamagedError:
        return None
    if (head.kind, head.bits) not in plain or head.interlacing or not 0 < head.width * head.height <= MAX_PIXELS:
        return None
    if len(chunks[b"IHDR"]) > 1 or not chunks.keys().isdisjoint(_NOT_PLAIN):
        return None
    return head if _inflates(chunks[b"IDAT"], head) else None


def _inflates(stream: Sequence[memoryview], head: Header) -> bool:
    """Whether a stream holds as many bytes as the header says, with the right Adler-32, which kornia-rs ignores."""
    size = _bytes_of_rows(head)
    inflater = zlib.decompressobj()
    inflated = 0
    try:
        for part in stream:
            for start in range(0, len(part), _PIECE):
                inflated += len(inflater.decompress(part[start : start + _PIECE], size + 1 - inflated))
                if inflated > size:
                    return False
    except zlib.error:  # type: ignore[misc]  # isal's stub says an instance
        return False
    return inflated == size and bool(inflater.eof)


def _bytes_of_rows(head: Header) -> int:
    """Bytes of all rows before they are compressed; before each row a byte names its filter."""
    if not head.interlacing:
        return head.height * (1 + _bytes_of_row(head, head.width))
    passes = ((-(-(head.width - x) // dx), -(-(head.height - y) // dy)) for x, y, dx, dy in _ADAM7)
    return sum(rows * (1 + _bytes_of_row(head, columns)) for columns, rows in passes if columns > 0 and rows > 0)


def _bytes_of_row(head: Header, pixels: int) -> int:
    return -(-pixels * CHANNELS[head.kind] * head.bits // 8)


def _pixels(content: bytes, head: Header) -> IdArray | None:
    """(H, W, channels), None if kornia-rs refuses or is not there."""
    try:
        from kornia_rs import io  # drawing masks decodes none
    except ImportError:  # a machine without its wheel: the same pixels by Pillow, in twice the time
        return None
    decode = io.decode_image_png_u16 if head.bits == 16 else io.decode_image_png_u8
    try:
        with _signals_held():
            pixels: IdArray = decode(content, (head.height, head.width), "rgb" if head.kind == RGB else "mono")
    except Exception:  # it has no class of its own
        return None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, when memory is short; it is no Exception
            raise
        return None
    return pixels


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait for a call of kornia-rs, whose first one runs Python to find NumPy.

    What a handler raises there, as Ctrl-C does, would make Rust panic, and the command would go on without.
    """
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def _inspect(content: bytes) -> tuple[Header, dict[bytes, list[memoryview]]]:
    """The header, and what the chunks of each name hold, up to the end mark."""
    head = header(content)
    view = memoryview(content)
    chunks: dict[bytes, list[memoryview]] = {}
    place = len(SIGNATURE)
    while b"IEND" not in chunks:
        end = place + 8 + int.from_bytes(view[place : place + 4], "big")
        if end + 4 > len(content):
            raise DamagedError("cut off")
        name = bytes(view[place + 4 : place + 8])
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise DamagedError(f"wrong checksum in chunk {name.decode('latin-1')}")
        chunks.setdefault(name, []).append(view[place + 8 : end])
        place = end + 4
    if b"IDAT" not in chunks:
        raise DamagedError("no pixels in it")
    return head, chunks


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
