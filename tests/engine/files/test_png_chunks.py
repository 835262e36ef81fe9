"""Verification of PNGs by their checksums."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from engine.files import png_chunks, png_reader
from tests.engine.files.test_png_reader import chunk, encoded, random_ids


def flipped(content: bytes) -> bytes:
    place = content.index(b"IDAT") + 12
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda content: b"", "the file is empty"),
        (lambda content: b"GIF89a", "not a PNG"),
        (lambda content: content[:20], "cut off within the header"),
        (lambda content: content[: len(content) // 2], "cut off"),
        (lambda content: content[:-12], "cut off"),
        (lambda content: content[:-1], "cut off"),
        (flipped, "wrong checksum in chunk IDAT"),
        (lambda content: content[:33] + content[-12:], "no pixels in it"),
    ],
)
def test_damage_is_found_without_decoding(spoil: Callable[[bytes], bytes], expected: str) -> None:
    content = spoil(encoded(Image.fromarray(random_ids(8, (64, 64)))))
    with pytest.raises(png_chunks.DamagedError, match=f"^{expected}$"):
        png_chunks.inspect(content)
    assert png_reader.decode_ids(content) is None


def test_two_headers_are_damage() -> None:
    """Pillow uses the last header; a first header without pixels would disable the check of the stream."""
    content = encoded(Image.fromarray(random_ids(8)))
    empty = chunk(b"IHDR", bytes(8) + content[24:29])
    with pytest.raises(png_chunks.DamagedError, match="more than one header"):
        png_chunks.verify(content[:8] + empty + content[8:])


def test_an_undamaged_png_passes() -> None:
    content = encoded(Image.fromarray(np.zeros((5, 4, 3), np.uint8)))
    assert png_chunks.inspect(content + b"junk after the end")[:4] == (4, 5, 8, 2)
