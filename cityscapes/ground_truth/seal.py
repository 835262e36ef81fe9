"""Seal of a mask: a hash by which a rerun knows whether the mask is up to date.

The seal is a note in the PNG, after the pixels. It is a hash of all other bytes of the PNG, of the file that the mask
was made from, and of the settings. Therefore a changed bit, a truncated file, other pixels, other polygons, another
kind of mask and other settings all break it, whatever the modification times say. Checking it costs no more than
reading both files.
"""

from hashlib import blake2b

from engine.files import png_writer

_KEY = "Seal"
_DIGEST = 8
"""Length of the hash in bytes."""
_END = 12
"""Length of the last chunk of a PNG, IEND, in bytes."""
_CHUNK = 12 + len(_KEY) + 1 + 2 * _DIGEST
"""Length of the chunk with the seal in bytes."""


def fingerprint(source: bytes) -> bytes:
    """Hash of the file that masks are made from; it is computed once for all masks of an image."""
    return blake2b(source, digest_size=2 * _DIGEST).digest()


def sealed(content: bytes, source: bytes, settings: str) -> bytes:
    """A PNG with its seal.

    Args:
        content: the PNG without a seal.
        source: the fingerprint of the file that it was made from.
        settings: the kind of mask and the settings that it was made with, as text.
    """
    seal = blake2b(digest_size=_DIGEST)
    for part in (settings.encode(), source, content):
        seal.update(len(part).to_bytes(8, "big"))
        seal.update(part)
    return png_writer.with_note(content, _KEY, seal.hexdigest())


def is_sealed(content: bytes, source: bytes, settings: str) -> bool:
    """Whether a PNG is unchanged to the last byte since it was made from that source with those settings."""
    bare = content[: -_CHUNK - _END] + content[-_END:]
    return content == sealed(bare, source, settings)
