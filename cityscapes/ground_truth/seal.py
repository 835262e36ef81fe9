"""A seal on each mask, by which a rerun knows whether it is what would be made now.

It is a note in the PNG, behind the pixels: a hash of all bytes before it, of the file that the mask was made from, and
of how. So it is broken by a changed bit, a cut, other pixels, other polygons, another kind of mask, and other settings,
whatever the times of the files say; and it costs no more than reading both.
"""

from hashlib import blake2b

from engine.files import png_writer

_KEY = "Seal"
_DIGEST = 8
"""Bytes."""
_END = 12
"""Bytes of the end mark of a PNG."""
_CHUNK = 12 + len(_KEY) + 1 + 2 * _DIGEST
"""Bytes of the note."""


def fingerprint(source: bytes) -> bytes:
    """A hash of the file that masks are made from: it is read once for all of them."""
    return blake2b(source, digest_size=2 * _DIGEST).digest()


def sealed(content: bytes, source: bytes, made: str) -> bytes:
    """A PNG with its seal.

    Args:
        content: the PNG without a seal.
        source: the fingerprint of the file that it was made from.
        made: how, in words.
    """
    seal = blake2b(digest_size=_DIGEST)
    for part in (made.encode(), source, content):
        seal.update(len(part).to_bytes(8, "big"))
        seal.update(part)
    return png_writer.with_note(content, _KEY, seal.hexdigest())


def is_sealed(content: bytes, source: bytes, made: str) -> bool:
    """Whether a PNG is, to the last byte, what was made of that source in that way."""
    bare = content[: -_CHUNK - _END] + content[-_END:]
    return content == sealed(bare, source, made)
