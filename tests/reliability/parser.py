"""A parser of files of unknown origin, and the verdict on what it makes of one file."""

import random
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.record import Case
from tests.reliability.verdict import Verdict


class SilentError(Exception):
    """Raised if a parser accepts damaged content."""


@dataclass(frozen=True)
class Parser:
    """A reader of files, with its test files."""

    suffix: str
    seeds: Callable[[Path], Sequence[bytes]]
    """Function from the data folder of the tests to contents of undamaged files."""
    mutate: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path, Path], object]
    """Reads a file, with the data folder; raises InputError, or SilentError if it accepts damaged content."""
    heavy: bool = False
    """Whether it needs torch."""


def attempt(parser: Parser, content: bytes, path: Path, world: Path, what: str) -> Case:
    """Let a parser read content from a file."""
    from engine.errors import InputError

    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # warnings would be printed between the messages
            parser.read(path, world)
    except (InputError, SystemExit) as error:
        if isinstance(error, InputError) and path.name not in str(error) and not str(error).startswith("--"):
            return Case(what, Verdict.UNCLEAR, str(error))
    except SilentError as error:
        return Case(what, Verdict.SILENT, str(error))
    except Exception as error:
        return Case(what, Verdict.TRACEBACK, f"{type(error).__name__}: {error}{_origin(error)}")
    return Case(what, Verdict.ANSWERED)


def _origin(error: BaseException) -> str:
    """Origin of an error: the last four lines of its traceback."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return "".join(f"; {Path(frame.filename).name}:{frame.lineno} {frame.line}" for frame in frames[-4:])


def files(world: Path, *patterns: str) -> list[bytes]:
    """The contents of all files of the data folder of the tests that match a pattern."""
    return [path.read_bytes() for pattern in patterns for path in sorted(world.glob(pattern))]


def png_damage(content: bytes, *, stream: bool = True) -> str | None:
    """The damage of a PNG by the checksums of its chunks and stream; None without damage, or if it is not a PNG."""
    place, packed = 8, []
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        body = content[place + 4 : place + 8 + length]
        if content[place + 8 + length : place + 12 + length] != struct.pack(">I", zlib.crc32(body)):
            return f"a wrong checksum in {body[:4]!r}"
        if body[:4] == b"IDAT":
            packed.append(body[4:])
        if body[:4] == b"IEND":
            break
        place += 12 + length
    else:
        return "no end"
    try:
        zlib.decompress(b"".join(packed) if stream else zlib.compress(b""))
    except zlib.error as error:
        return str(error)
    return None
