"""PNG files as bytes: their chunks, and verification by all checksums, without decoding."""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

try:
    from isal import isal_zlib as zlib
except ImportError:  # no wheel for this machine, see png_writer
    import zlib  # type: ignore[no-redef]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3
"""Colour types of PNG; grey and palette images hold ids."""
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, 4: 2, 6: 4}
"""Colour type -> samples per pixel."""
_WRONG_PIXELS = "the compressed pixels are damaged"
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of Adam7 interlacing: first column, first row, column step, row step."""
_PIECE = 1 << 16
"""Compressed bytes inflated at a time, so that an endless stream takes little memory."""
MAX_PIXELS = 1 << 28
"""Largest image that is decoded, 268 megapixels; larger ones are refused."""

Chunks = dict[bytes, list[memoryview]]
"""Name of a chunk -> contents of the chunks of that name, in their order."""


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
    return read_chunks(content)[0]


def verify(content: bytes) -> Header:
    """Check that a PNG is complete: by `inspect`, and by inflating its stream to all rows with the right checksum.

    Both checksums are needed, because Pillow compares neither the checksum of pixel chunks nor, once it has all rows,
    that of the stream. One changed bit in a mask often changes the ids of all following rows.

    Raises:
        DamagedError: if a byte is wrong or missing.
    """
    head, chunks = read_chunks(content)
    if len(chunks[b"IHDR"]) > 1 or not head.width * head.height:  # Pillow would use the last header
        raise DamagedError("more than one header, or no pixels")
    if head.kind in CHANNELS and 0 < head.width * head.height <= MAX_PIXELS and not inflates(chunks[b"IDAT"], head):
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


def read_chunks(content: bytes) -> tuple[Header, Chunks]:
    """The header, and name -> contents of the chunks, up to the end mark.

    Raises:
        DamagedError: if a checksum is wrong, or if the end or the pixels are missing.
    """
    head = header(content)
    view = memoryview(content)
    chunks: Chunks = {}
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
    clear_vector_registers()
    if b"IDAT" not in chunks:
        raise DamagedError("no pixels in it")
    return head, chunks


def inflates(stream: Sequence[memoryview], head: Header) -> bool:
    """Whether a stream inflates to the size from the header with the right Adler-32, which kornia-rs ignores."""
    try:
        for _ in inflated_parts(stream, head):
            pass
    except DamagedError:
        return False
    return True


def inflated_parts(stream: Sequence[memoryview], head: Header) -> Iterator[bytes]:
    """The parts of a stream, inflated.

    Args:
        stream: contents of the `IDAT` chunks.
        head: header of the PNG.

    Raises:
        DamagedError: after the last part, if the size differs from that of the header, or the Adler-32 is wrong.
    """
    size = bytes_of_rows(head)
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
        clear_vector_registers()
    if inflated != size or not inflater.eof:
        raise DamagedError(_WRONG_PIXELS)


def with_header(content: bytes, head: Header) -> bytes:
    """A PNG with another header."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", *head)
    checksum = zlib.crc32(chunk).to_bytes(4, "big")
    clear_vector_registers()
    return content[:12] + chunk + checksum + content[33:]


def bytes_of_rows(head: Header) -> int:
    """Uncompressed bytes of all rows, each after one byte for its filter."""
    if not head.interlacing:
        return head.height * (1 + _bytes_of_row(head, head.width))
    passes = ((-(-(head.width - x) // dx), -(-(head.height - y) // dy)) for x, y, dx, dy in _ADAM7)
    return sum(rows * (1 + _bytes_of_row(head, columns)) for columns, rows in passes if columns > 0 and rows > 0)


def _bytes_of_row(head: Header, pixels: int) -> int:
    return -(-pixels * CHANNELS[head.kind] * head.bits // 8)


_SUMMAND = np.zeros(64, np.uint8)


def clear_vector_registers() -> None:
    """Clear the upper halves of the vector registers, which ISA-L leaves in use on CPUs with AVX-512.

    Its CRC-32 ends without `vzeroupper`, which slows code that was compiled for SSE: kornia-rs takes 1.5 times as long
    for a 16-bit mask (docs/decisions/0014). A loop of NumPy with AVX ends by clearing them.
    """
    np.add(_SUMMAND, _SUMMAND)
