"""What a hostile file is, and the pieces that several are made of."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.reliability.commands import Command

CHECK = Command("cityscapes.submission check packed.zip --root data", ("data", "packed.zip"))


class Trap(NamedTuple):
    """A hostile file, and the command that meets it."""

    name: str
    command: Command
    file: str
    """Below the folder of the command; the message must name it."""
    spring: Callable[[Path], object]
    """Makes the file, given its path."""
    harmless: bool = False
    """Whether exit code 0 is right too."""
    named: str = ""
    """What a message may name in place of the file."""


def png_of(width: int, height: int, bits: int, packed: bytes, extra: bytes = b"") -> bytes:
    """A grey PNG of any header, pixels and further chunk, with right checksums."""

    def chunk(kind: bytes, inside: bytes) -> bytes:
        return struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", zlib.crc32(kind + inside))

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def writer(content: bytes) -> Callable[[Path], object]:
    """What writes content to a file."""
    return lambda path: path.write_bytes(content)
