"""Hostile files: their description, and functions that several of them use."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.reliability.commands import Command

CHECK = Command("cityscapes.submission check packed.zip --root data", ("data", "packed.zip"))


class HostileFile(NamedTuple):
    """A hostile file, and the command that reads it."""

    name: str
    command: Command
    file: str
    """Path relative to the folder of the command; messages must name it."""
    write: Callable[[Path], object]
    """Function that writes the file, from its path."""
    harmless: bool = False
    """Whether exit code 0 is also right."""
    named: str = ""
    """Text that a message may contain instead of the name of the file."""


def png_of(width: int, height: int, bits: int, packed: bytes, extra: bytes = b"") -> bytes:
    """A grey PNG with any header, pixels and extra chunk, with right checksums."""

    def chunk(kind: bytes, inside: bytes) -> bytes:
        return struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", zlib.crc32(kind + inside))

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def writer(content: bytes) -> Callable[[Path], object]:
    """A function that writes content to a path."""
    return lambda path: path.write_bytes(content)
