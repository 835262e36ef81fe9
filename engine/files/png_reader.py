"""Fast decoding of PNG files of ids and colours, after their checksums are compared.

kornia-rs decodes in half of Pillow's time (docs/decisions/0014); what it ignores is checked before. Images other than
plain ids and plain RGB are verified and left to Pillow, which alone would read some damaged files without an error.
"""

import functools
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import numpy as np
import numpy.typing as npt

from engine.files.png_chunks import (
    GREY,
    MAX_PIXELS,
    PALETTE,
    RGB,
    Chunks,
    DamagedError,
    Header,
    bytes_of_rows,
    inflated_parts,
    inflates,
    read_chunks,
    with_header,
)

try:
    from isal import isal_zlib as zlib
except ImportError:  # no wheel for this machine, see png_writer
    import zlib  # type: ignore[no-redef]

UInt8Array = npt.NDArray[np.uint8]
IdArray = npt.NDArray[np.uint8 | np.uint16]

_IDS, _COLOURS = {(GREY, 8), (GREY, 16), (PALETTE, 8)}, {(RGB, 8)}
"""Colour types with bits per sample that are decoded here."""
_BYTES = {(GREY, 8)}
_LAST_FILTER = 4
"""Number of PNG's filters, without the one that leaves a row as it is."""
_LIKE_ABOVE, _LIKE_LEFT = (0, 2), (1, 4)
"""Filters that leave the first row as it is, and those that subtract the pixel to the left from it."""
_NOT_PLAIN = {b"tRNS", b"acTL", b"fcTL"}
"""Chunks of transparent or animated images."""


def decode_ids(content: bytes) -> IdArray | None:
    """The ids of an undamaged PNG of 8 or 16 bits of grey or an 8-bit palette; None for all others, which Pillow reads.

    Returns:
        (H, W) uint8 or uint16, exactly as Pillow decodes it.
    """
    pixels = _decoded(content, _IDS)
    return None if pixels is None else pixels[..., 0]


def decode_rgb(content: bytes) -> UInt8Array | None:
    """The pixels of an undamaged RGB PNG of 8 bits per sample; None for all others, which Pillow reads.

    Returns:
        (H, W, 3) uint8, RGB, exactly as Pillow decodes it.
    """
    pixels = _decoded(content, _COLOURS)
    return None if pixels is None else pixels.astype(np.uint8, copy=False)


def grey_rows(content: bytes) -> UInt8Array | None:
    """The rows of an undamaged grey PNG of 8 bits as they are stored: filtered; None for all others.

    A row that equals the row above, and an empty one, often has only zeros here. So areas are found without decoding.

    Returns:
        (H, 1 + W) uint8: of each row the byte that names its filter, 0 to 4, and the filtered pixels.
    """
    keep_freed_memory()
    try:
        head, chunks = read_chunks(content)
        if not _is_plain(head, chunks, _BYTES):
            return None
        flat = _inflated_by_kornia(content, head, chunks[b"IDAT"])
        if flat is None:
            flat = np.frombuffer(b"".join(inflated_parts(chunks[b"IDAT"], head)), np.uint8)
    except DamagedError:
        return None
    rows = flat.reshape(head.height, 1 + head.width)
    return rows if rows[:, 0].max() <= _LAST_FILTER else None


def _decoded(content: bytes, plain: Collection[tuple[int, int]]) -> IdArray | None:
    """(H, W, channels) of an undamaged PNG with one of these colour types and bits; None for all others.

    Only the main thread of a process decodes here. kornia-rs holds Python's GIL for a whole image, so other threads
    would wait for each other, and the thread that feeds a GPU would wait for all of them. Pillow releases the GIL.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    keep_freed_memory()
    head = _plain(content, plain)
    return None if head is None else _pixels(content, head)


def _plain(content: bytes, plain: Collection[tuple[int, int]]) -> Header | None:
    """The header of a PNG without damage, transparency or animation; None for all others."""
    try:
        head, chunks = read_chunks(content)
    except DamagedError:
        return None
    return head if _is_plain(head, chunks, plain) and inflates(chunks[b"IDAT"], head) else None


def _is_plain(head: Header, chunks: Chunks, plain: Collection[tuple[int, int]]) -> bool:
    """Whether a PNG has one of these colour types and bits, and neither interlacing, transparency nor animation."""
    methods = head.compression, head.filtering, head.interlacing
    if (head.kind, head.bits) not in plain or any(methods) or not 0 < head.width * head.height <= MAX_PIXELS:
        return False
    return len(chunks[b"IHDR"]) == 1 and chunks.keys().isdisjoint(_NOT_PLAIN)


def _inflated_by_kornia(content: bytes, head: Header, stream: Sequence[memoryview]) -> UInt8Array | None:
    """The inflated stream of a grey PNG of 8 bits; None if it is damaged, and where kornia-rs is not used.

    kornia-rs inflates a mask in a third of the time of ISA-L, but it neither returns filtered rows nor compares the
    Adler-32. So it gets the same stream with the header of an image of one row, which has one filter for all:

        F 0 0 0        F 0 0 0 F 0 7 0 F 0 0 0     Bytes F name the filters of three rows of three pixels. Those of
        F 0 7 0   ->   |                           the second and third row become pixels. The filter of the only row
        F 0 0 0        filter of the only row      is that of the first, and is reversed to obtain the stream.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    size, whole = bytes_of_rows(head), b"".join(stream)
    single = Header(size - 1, 1, 8, GREY, 0, 0, 0)
    pixels = _pixels(with_header(content, single), single)
    if pixels is None:
        return None
    flat = np.empty(size, np.uint8)
    try:
        flat[0] = zlib.decompressobj().decompress(whole, 1)[0]
    except zlib.error:  # type: ignore[misc]  # isal's stub says an instance
        return None
    if flat[0] in _LIKE_ABOVE:  # the row above the first consists of zeros
        flat[1:] = pixels.reshape(-1)
    elif flat[0] in _LIKE_LEFT:
        flat[1] = pixels[0, 0, 0]
        np.subtract(pixels[0, 1:, 0], pixels[0, :-1, 0], out=flat[2:])
    else:
        return None
    return flat if zlib.adler32(flat).to_bytes(4, "big") == whole[-4:] else None


def _pixels(content: bytes, head: Header) -> IdArray | None:
    """(H, W, channels) decoded by kornia-rs; None if it refuses the file or is not installed."""
    try:
        from kornia_rs import io  # imported late, because drawing masks does not decode
    except ImportError:  # no wheel for this machine: Pillow decodes the same pixels in twice the time
        return None
    decode = io.decode_image_png_u16 if head.bits == 16 else io.decode_image_png_u8
    try:
        with _signals_held():
            pixels: IdArray = decode(content, (head.height, head.width), "rgb" if head.kind == RGB else "mono")
    except Exception:  # kornia-rs raises plain Exceptions
        return None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a Rust panic when memory is short, which is not an Exception
            raise
        return None
    return pixels


@contextmanager
def _signals_held() -> Iterator[None]:
    """Delay signals during a call of kornia-rs, whose first call runs Python code to find NumPy.

    An exception from a handler there, for example by Ctrl-C, would become a Rust panic, and the command would continue.
    A signal mask of this thread is not enough: the system then delivers the signal to another thread, and Python runs
    the handler in the main thread all the same. Handlers run in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in usual.items() if callable(handler)}
    for held in handlers:
        signal.signal(held, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for held, handler in handlers.items():
            signal.signal(held, handler)
        for number, frame in came:
            handlers[signal.Signals(number)](number, frame)


_LARGEST_KEPT = 24 << 20
"""Bytes of a block to allocate; glibc's threshold is at most 32 MiB."""


@functools.cache
def keep_freed_memory() -> None:
    """Make glibc's malloc keep freed memory for the next image, once per process; without effect elsewhere.

    By default it returns blocks of megabytes to the system at once and requests them again, zeroed page by page. That
    takes a tenth of the time of drawing a mask, and a quarter of decoding one. Freeing one large block raises the
    threshold to that size.
    """
    np.empty(_LARGEST_KEPT, np.uint8)
