"""PNG files as bytes: verification by checksums, and fast decoding of ids and colours.

kornia-rs decodes in half of Pillow's time (docs/decisions/0014); what it ignores is checked before. Images other than
plain ids and plain RGB are verified and left to Pillow, which alone would read some damaged files without an error.
"""

import functools
import signal
import struct
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

try:
    from isal import isal_zlib as zlib
except ImportError:  # no wheel for this machine, see png_writer
    import zlib  # type: ignore[no-redef]

UInt8Array = npt.NDArray[np.uint8]
IdArray = npt.NDArray[np.uint8 | np.uint16]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3
"""Colour types of PNG; grey and palette images hold ids."""
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, 4: 2, 6: 4}
"""Colour type -> samples per pixel."""
_IDS, _COLOURS = {(GREY, 8), (GREY, 16), (PALETTE, 8)}, {(RGB, 8)}
"""Colour types with bits per sample that are decoded here."""
_BYTES = {(GREY, 8)}
_LAST_FILTER = 4
"""Number of PNG's filters, without the one that leaves a row as it is."""
_LIKE_ABOVE, _LIKE_LEFT = (0, 2), (1, 4)
"""Filters that leave the first row as it is, and those that subtract the pixel to the left from it."""
_WRONG_PIXELS = "the compressed pixels are damaged"
_NOT_PLAIN = {b"tRNS", b"acTL", b"fcTL"}
"""Chunks of transparent or animated images."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of Adam7 interlacing: first column, first row, column step, row step."""
_PIECE = 1 << 16
"""Compressed bytes inflated at a time, so that an endless stream takes little memory."""
MAX_PIXELS = 1 << 28
"""Largest image that is decoded, 268 megapixels; larger ones are refused."""


_Chunks = dict[bytes, list[memoryview]]


class Header(NamedTuple):
    """Header of a PNG, which is its first chunk (`IHDR`)."""

    width: int
    height: int
    bits: int
    """Bits per sample: 1, 2, 4, 8 or 16."""
    kind: int
    """Colour type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    compression: int
    filtering: int
    interlacing: int


class DamagedError(Exception):
    """Bytes that are not a complete PNG, with the reason."""


def header(content: bytes) -> Header:
    """The header of a PNG, which may be incomplete after it.

    Raises:
        DamagedError: if the bytes do not begin with a PNG header.
    """
    if not content.startswith(SIGNATURE):
        raise DamagedError("not a PNG" if content else "the file is empty")
    if len(content) < 33 or content[12:16] != b"IHDR":
        raise DamagedError("cut off within the header")
    return Header(*struct.unpack_from(">IIBBBBB", content, 16))


def inspect(content: bytes) -> Header:
    """Check that a PNG is complete by the checksums of its chunks, without decoding; bytes after the end are ignored.

    Raises:
        DamagedError: if a byte is wrong or missing, up to the end mark.
    """
    return _inspect(content)[0]


def verify(content: bytes) -> Header:
    """Check that a PNG is complete: by `inspect`, and by inflating its stream to all rows with the right checksum.

    Both checksums are needed, because Pillow compares neither the checksum of pixel chunks nor, once it has all rows,
    that of the stream. One changed bit in a mask often changes the ids of all following rows.

    Raises:
        DamagedError: if a byte is wrong or missing.
    """
    head, chunks = _inspect(content)
    if len(chunks[b"IHDR"]) > 1 or not head.width * head.height:  # Pillow would use the last header
        raise DamagedError("more than one header, or no pixels")
    if head.kind in CHANNELS and 0 < head.width * head.height <= MAX_PIXELS and not _inflates(chunks[b"IDAT"], head):
        raise DamagedError(_WRONG_PIXELS)
    return head


def note(start: bytes, key: bytes) -> str | None:
    """The text of a note (`tEXt` chunk) before the pixels of a PNG; None if `start` does not contain it."""
    position = len(SIGNATURE)
    while start.startswith(SIGNATURE) and position + 8 <= len(start):
        length, name = struct.unpack_from(">I4s", start, position)
        content = start[position + 8 : position + 8 + length]
        if name == b"tEXt" and content.startswith(key + b"\0"):
            return content[len(key) + 1 :].decode("latin-1")
        if name in (b"IDAT", b"IEND"):
            break
        position += length + 12
    return None


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
        head, chunks = _inspect(content)
        if not _is_plain(head, chunks, _BYTES):
            return None
        flat = _inflated_by_kornia(content, head, chunks[b"IDAT"])
        if flat is None:
            flat = np.frombuffer(b"".join(_inflated(chunks[b"IDAT"], head)), np.uint8)
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
        head, chunks = _inspect(content)
    except DamagedError:
        return None
    return head if _is_plain(head, chunks, plain) and _inflates(chunks[b"IDAT"], head) else None


def _is_plain(head: Header, chunks: _Chunks, plain: Collection[tuple[int, int]]) -> bool:
    """Whether a PNG has one of these colour types and bits, and neither interlacing, transparency nor animation."""
    methods = head.compression, head.filtering, head.interlacing
    if (head.kind, head.bits) not in plain or any(methods) or not 0 < head.width * head.height <= MAX_PIXELS:
        return False
    return len(chunks[b"IHDR"]) == 1 and chunks.keys().isdisjoint(_NOT_PLAIN)


def _inflates(stream: Sequence[memoryview], head: Header) -> bool:
    """Whether a stream inflates to the size from the header with the right Adler-32, which kornia-rs ignores."""
    try:
        for _ in _inflated(stream, head):
            pass
    except DamagedError:
        return False
    return True


def _inflated(stream: Sequence[memoryview], head: Header) -> Iterator[bytes]:
    """The parts of a stream, inflated.

    Raises:
        DamagedError: after the last part, if the size differs from that of the header, or the Adler-32 is wrong.
    """
    size = _bytes_of_rows(head)
    inflater = zlib.decompressobj()
    inflated = 0
    try:
        for part in stream:
            for start in range(0, len(part), _PIECE):
                piece = inflater.decompress(part[start : start + _PIECE], size + 1 - inflated)
                inflated += len(piece)
                if inflated > size:
                    raise DamagedError(_WRONG_PIXELS)
                yield piece
    except zlib.error as error:  # type: ignore[misc]  # isal's stub says an instance
        raise DamagedError(_WRONG_PIXELS) from error
    finally:
        _clear_vector_registers()
    if inflated != size or not inflater.eof:
        raise DamagedError(_WRONG_PIXELS)


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
    size, whole = _bytes_of_rows(head), b"".join(stream)
    single = Header(size - 1, 1, 8, GREY, 0, 0, 0)
    pixels = _pixels(_with_header(content, single), single)
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


def _with_header(content: bytes, head: Header) -> bytes:
    """A PNG with another header."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", *head)
    checksum = zlib.crc32(chunk).to_bytes(4, "big")
    _clear_vector_registers()
    return content[:12] + chunk + checksum + content[33:]


def _bytes_of_rows(head: Header) -> int:
    """Uncompressed bytes of all rows, each after one byte for its filter."""
    if not head.interlacing:
        return head.height * (1 + _bytes_of_row(head, head.width))
    passes = ((-(-(head.width - x) // dx), -(-(head.height - y) // dy)) for x, y, dx, dy in _ADAM7)
    return sum(rows * (1 + _bytes_of_row(head, columns)) for columns, rows in passes if columns > 0 and rows > 0)


def _bytes_of_row(head: Header, pixels: int) -> int:
    return -(-pixels * CHANNELS[head.kind] * head.bits // 8)


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


def _inspect(content: bytes) -> tuple[Header, _Chunks]:
    """The header, and name -> contents of the chunks, up to the end mark."""
    head = header(content)
    view = memoryview(content)
    chunks: _Chunks = {}
    position = len(SIGNATURE)
    while b"IEND" not in chunks:
        end = position + 8 + int.from_bytes(view[position : position + 4], "big")
        if end + 4 > len(content):
            raise DamagedError("cut off")
        name = bytes(view[position + 4 : position + 8])
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise DamagedError(f"wrong checksum in chunk {name.decode('latin-1')}")
        chunks.setdefault(name, []).append(view[position + 8 : end])
        position = end + 4
    _clear_vector_registers()
    if b"IDAT" not in chunks:
        raise DamagedError("no pixels in it")
    return head, chunks


_SUMMAND = np.zeros(64, np.uint8)


def _clear_vector_registers() -> None:
    """Clear the upper halves of the vector registers, which ISA-L leaves in use on CPUs with AVX-512.

    Its CRC-32 ends without `vzeroupper`, which slows code that was compiled for SSE: kornia-rs takes 1.5 times as long
    for a 16-bit mask (docs/decisions/0014). A loop of NumPy with AVX ends by clearing them.
    """
    np.add(_SUMMAND, _SUMMAND)


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
