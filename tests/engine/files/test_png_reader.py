import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.errors import InputError
from engine.files import png_reader
from engine.files.images import read_ids, read_image

Ids = npt.NDArray[np.uint8 | np.uint16]


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def random_ids(bits: int, size: tuple[int, int] = (7, 9), seed: int = 0) -> Ids:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << bits, size).astype(np.uint8 if bits == 8 else np.uint16)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(content: bytes, name: bytes, data: bytes) -> bytes:
    """The same PNG with one more chunk after its header."""
    return content[:33] + chunk(name, data) + content[33:]


def filtered(ids: Ids, filters: list[int]) -> bytes:
    """A grey PNG whose rows use the given filters in turn."""
    rows = np.ascontiguousarray(ids.astype(ids.dtype.newbyteorder(">"))).view(np.uint8).astype(np.int64)
    step = ids.dtype.itemsize
    above, left = np.zeros_like(rows), np.zeros_like(rows)
    above[1:], left[:, step:] = rows[:-1], rows[:, :-step]
    corner = np.zeros_like(rows)
    corner[1:, step:] = rows[:-1, :-step]
    guess = left + above - corner
    near = [abs(guess - left), abs(guess - above), abs(guess - corner)]
    paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], above, corner))
    guesses = [np.zeros_like(rows), left, above, (left + above) // 2, paeth]
    raw = b"".join(
        bytes([kind]) + ((rows[y] - guesses[kind][y]) % 256).astype(np.uint8).tobytes()
        for y, kind in ((y, filters[y % len(filters)]) for y in range(len(rows)))
    )
    head = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], 8 * step, 0, 0, 0, 0)
    return png_reader.SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


@pytest.mark.skipif(not png_reader.FAST, reason="needs pywuffs: pip install '.[fast]'")
@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([8, 16]),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
def test_every_filter_is_undone_exactly(bits: int, size: tuple[int, int], filters: list[int], seed: int) -> None:
    ids = random_ids(bits, size, seed)
    content = filtered(ids, filters)
    decoded = png_reader.decode_ids(content)
    assert decoded is not None
    assert decoded.dtype == ids.dtype
    np.testing.assert_array_equal(decoded, ids)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), ids)


@pytest.mark.skipif(not png_reader.FAST, reason="needs pywuffs: pip install '.[fast]'")
@pytest.mark.parametrize(
    ("name", "data"),
    [(b"gAMA", struct.pack(">I", 45455)), (b"sBIT", b"\4"), (b"tEXt", b"Software\0x"), (b"bKGD", b"\0\1")],
)
def test_notes_in_a_file_change_no_id(name: bytes, data: bytes) -> None:
    ids = random_ids(8)
    decoded = png_reader.decode_ids(with_chunk(encoded(Image.fromarray(ids)), name, data))
    assert decoded is not None
    np.testing.assert_array_equal(decoded, ids)


def test_unusual_images_are_left_to_pillow(tmp_path: Path) -> None:
    ids = random_ids(8)
    palette = Image.fromarray(ids)
    palette.putpalette(bytes(range(255, -1, -1)) * 3)
    transparent = with_chunk(encoded(Image.fromarray(ids)), b"tRNS", struct.pack(">H", int(ids[0, 0])))
    for content in (encoded(palette), transparent):
        assert png_reader.decode_ids(content) is None
        (tmp_path / "ids.png").write_bytes(content)
        np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)
    assert png_reader.decode_ids(encoded(Image.fromarray(ids > 100))) is None
    assert png_reader.decode_ids(encoded(Image.fromarray(np.zeros((4, 4, 3), np.uint8)))) is None


@pytest.mark.parametrize("bits", [8, 16])
def test_without_wuffs_pillow_reads_the_same(bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = random_ids(bits)
    Image.fromarray(ids).save(tmp_path / "ids.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)
    monkeypatch.setattr(png_reader, "FAST", False)
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)


def flipped(content: bytes) -> bytes:
    place = content.index(b"IDAT") + 12
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda content: b"", "the file is empty"),
        (lambda content: b"GIF89a", "no PNG"),
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
    with pytest.raises(png_reader.DamagedError, match=f"^{expected}$"):
        png_reader.inspect(content)
    assert png_reader.decode_ids(content) is None


def test_a_whole_png_passes() -> None:
    content = encoded(Image.fromarray(np.zeros((5, 4, 3), np.uint8)))
    assert png_reader.inspect(content + b"junk after the end")[:4] == (4, 5, 8, 2)


def test_flipped_pixels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.png").write_bytes(flipped(encoded(Image.fromarray(random_ids(8, (64, 64))))))
    with pytest.raises(InputError, match=r"ids\.png: damaged image"):
        read_ids(tmp_path / "ids.png")


@pytest.mark.skipif(not png_reader.FAST, reason="needs pywuffs: pip install '.[fast]'")
def test_colours_are_decoded_as_pillow_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 57, 3), np.uint8)
    pixels[5:, 10:] //= 16  # smooth enough for several filters
    decoded = png_reader.decode_rgb(encoded(Image.fromarray(pixels)))
    assert decoded is not None
    np.testing.assert_array_equal(decoded, pixels)


def test_images_that_are_not_plain_rgb_are_left_to_pillow(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    rgb = encoded(Image.fromarray(pixels[..., :3]))
    contents = {
        "alpha": encoded(Image.fromarray(pixels)),
        "one transparent colour": with_chunk(rgb, b"tRNS", struct.pack(">HHH", *pixels[0, 0, :3].tolist())),
        "grey": encoded(Image.fromarray(pixels[..., 0])),
        "damaged": flipped(rgb),
    }
    for name, content in contents.items():
        assert png_reader.decode_rgb(content) is None, name
    for name in ("alpha", "one transparent colour"):
        (tmp_path / "image.png").write_bytes(contents[name])
        np.testing.assert_array_equal(read_image(tmp_path / "image.png"), pixels[..., :3])
