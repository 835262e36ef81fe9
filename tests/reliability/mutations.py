"""Random damage of content; the same random numbers give the same damage."""

import copy
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 256, 65535, 65536, 1 << 31, 1 << 63, 10**400, -0.0, 0.5, 1e308, 1e-320),
    *(float("nan"), float("inf"), -float("inf"), "", "car", "road", "\0", "\ud800", "\x1b[31m", "../x", "a" * 70000),
    *([], {}, [[]], [[0, 0]], [None], {"label": "car"}, [[[[[[[[]]]]]]]], "1", "NaN", "\u202e", "0x7f", "1_000"),
)
"""Values of a wrong type, at a limit, or beyond it."""
TOKENS = (
    *(b"NaN", b"Infinity", b"-", b"1e999", b"9" * 5000, b"null", b"true", b"~", b"\0", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(
        b"&a [*a, *a]",
        b"*a",
        b"<<: *a",
        b"!!python/object/apply:os.system [x]",
        b"!!binary AA==",
        b"!!set",
        b"? ",
        b"- ",
    ),
    *(
        b"[" * 2000,
        b"{",
        b"}",
        b"]",
        b'"',
        b"'",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\t",
        b"#",
        b"%YAML 9.9\n---\n",
        b"2026-13-45",
    ),
    *(b"\xed\xa0\x80", b"\\ud800", b"|\n", b">-\n", b"25:61:61", b"0o777", b"deleted", b'"deleted": 1,', b"=1+1"),
)
"""Pieces of text with a special meaning in a format."""
_WORD = re.compile(rb'-?\d+(?:\.\d+)?|"[^"\n]*"|\w+|[^\w\s]')

Random = random.Random


def text(content: bytes, rng: Random) -> bytes:
    """Text with some words deleted, repeated, exchanged or replaced."""
    for _ in range(_few(rng)):
        words = list(_WORD.finditer(content))
        if not words:
            return rng.choice(TOKENS)
        one, other = rng.choice(words), rng.choice(words)
        new = rng.choice((b"", one[0] + one[0], other[0], rng.choice(TOKENS), _hostile_text(rng)))
        content = content[: one.start()] + new + content[one.end() :]
    return content if rng.random() < 0.8 else raw(content, rng)


def raw(content: bytes, rng: Random) -> bytes:
    """Bytes with flipped bits, slices deleted, repeated or replaced, or the end cut off."""
    changed = bytearray(content)
    for _ in range(_few(rng)):
        start = rng.randrange(len(changed) + 1)
        stop = min(len(changed), start + 1 + int(rng.expovariate(0.1)))
        match rng.randrange(7):
            case 0 if start < len(changed):
                changed[start] ^= 1 << rng.randrange(8)
            case 1:
                changed[start:stop] = rng.randbytes(stop - start)
            case 2:
                del changed[start:stop]
            case 3:
                changed[start:start] = changed[start:stop]
            case 4:
                changed[start:start] = rng.choice(TOKENS)
            case 5:
                del changed[start:]
            case _:
                changed[start : start + 4] = struct.pack(
                    ">I", rng.choice((0, 1, 255, 1 << 16, (1 << 31) - 1, (1 << 32) - 1))
                )
    return bytes(changed)


def document(value: Any, rng: Random) -> Any:
    """JSON content with some parts replaced by hostile values, deleted or repeated."""
    value = json.loads(json.dumps(value))
    for _ in range(_few(rng)):
        parent: Any = None
        key: Any = None
        node = value
        while isinstance(node, dict | list) and node and rng.random() < 0.85:
            parent, key = node, rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
            node = node[key]
        if parent is None:
            return copy.deepcopy(rng.choice(HOSTILE))
        match rng.randrange(4):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(node))
            case _:
                parent[key] = copy.deepcopy(rng.choice(HOSTILE))  # a copy, because it may be damaged again
    return value


def json_text(content: bytes, rng: Random) -> bytes:
    """JSON damaged as content or as text."""
    if rng.random() < 0.5:
        return text(content, rng)
    return json.dumps(document(json.loads(content), rng)).encode()


def png(content: bytes, rng: Random) -> bytes:
    """A PNG with damaged chunks, mostly with right checksums."""
    if rng.random() < 0.3:
        return raw(content, rng)
    chunks, place = [], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    for _ in range(_few(rng)):
        number = rng.randrange(len(chunks))
        kind, inside = chunks[number]
        match rng.randrange(5):
            case 0:
                chunks[number] = (kind, raw(inside, rng))
            case 1 if kind == b"IDAT":
                level = rng.choice((0, 1, 9))
                chunks[number] = (kind, zlib.compress(raw(_inflated(inside), rng), level))
            case 1 | 2 if kind == b"IHDR" and len(inside) == 13:
                sides = [rng.choice((0, 1, 31, 32, 63, 64, 65, 20000, 1 << 31)) for _ in range(2)]
                rest = [rng.choice((0, 1, 2, 3, 4, 6, 8, 16)) for _ in range(2)]
                chunks[number] = (kind, struct.pack(">IIBB", *sides, *rest) + inside[10:])
            case 3:
                chunks.insert(rng.randrange(len(chunks) + 1), rng.choice(chunks))
            case 4:
                extra = rng.choice((b"tRNS", b"PLTE", b"acTL", b"iCCP", b"zTXt", b"tEXt", b"eXIf", b"abcD", b"IEND"))
                chunks.insert(rng.randrange(len(chunks) + 1), (extra, rng.randbytes(rng.randrange(20))))
            case _:
                del chunks[number]
                if not chunks:
                    break
    return content[:8] + b"".join(_chunk(kind, inside, right=rng.random() < 0.9) for kind, inside in chunks)


def _chunk(kind: bytes, inside: bytes, *, right: bool) -> bytes:
    checksum = zlib.crc32(kind + inside) ^ (not right)
    return struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", checksum)


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error:
        return content


def archive(content: bytes, rng: Random, inside: Callable[[str, bytes, Random], bytes]) -> bytes:
    """A zip whose members are damaged, renamed, repeated or removed, with right checksums; or damaged bytes.

    Args:
        content: a zip.
        rng: random numbers that choose the damage.
        inside: function that damages a member, from its name and content.
    """
    if rng.random() < 0.3:
        return raw(content, rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        infos = old.infolist()
        struck = {rng.randrange(len(infos)) for _ in range(_few(rng))}
        for number, info in enumerate(infos):
            name, member = info.filename, old.read(info)
            copies = 1
            if number in struck:
                match rng.randrange(5):
                    case 0:
                        name = rng.choice(
                            ("../" + name, "/" + name, name.replace("/", "\\"), name + ".zip", "", "\x1b[0m")
                        )
                    case 1:
                        copies = rng.choice((0, 2))
                    case _:
                        member = inside(info.filename, member, rng)
            for _ in range(copies):
                written = zipfile.ZipInfo(name)
                written.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
                written.external_attr = info.external_attr if rng.random() < 0.95 else 0o120777 << 16
                new.writestr(written, member)
    return packed.getvalue() if rng.random() < 0.7 else raw(packed.getvalue(), rng)


def _few(rng: Random) -> int:
    """A small random number, mostly one, rarely more than three."""
    return 1 + int(rng.expovariate(1))


def _hostile_text(rng: Random) -> bytes:
    return json.dumps(rng.choice(HOSTILE)).encode()
