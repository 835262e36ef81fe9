import contextlib
import errno
import io
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files import png_chunks, png_reader
from engine.files.images import image_size, note_of, open_image, read_ids, read_image


def random_pixels(*shape: int) -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    chunks = (
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in parts
    )
    return png_chunks.SIGNATURE + b"".join(chunks)


def palette_image(ids: UInt8Array) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette(bytes(range(255, -1, -1)) * 3)
    return image


def flip_a_pixel(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 12] ^= 0xFF
    path.write_bytes(content)


def without_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_reader, "_decoded", lambda content, plain: None)


@pytest.mark.parametrize("bits", [8, 16])
def test_ids_are_the_same_with_and_without_the_decoder(
    bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = random_pixels(7, 9)
    ids = pixels if bits == 8 else pixels.astype(np.uint16) * np.uint16(251)
    path = tmp_path / "ids.png"
    Image.fromarray(ids).save(path)
    found = read_ids(path)
    without_decoder(monkeypatch)
    for read in (found, read_ids(path)):
        assert read.dtype == ids.dtype
        np.testing.assert_array_equal(read, ids)


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (4, "RGBA")])
def test_images_are_not_read_as_ids(channels: int, mode: str, tmp_path: Path) -> None:
    Image.fromarray(random_pixels(7, 9, channels)).save(tmp_path / "ids.png")
    with pytest.raises(InputError, match=f"ids.png: expected one channel of ids, got an image of mode {mode}"):
        read_ids(tmp_path / "ids.png")


def test_ids_are_the_same_in_every_thread(tmp_path: Path) -> None:
    ids = random_pixels(7, 9)
    Image.fromarray(ids).save(tmp_path / "ids.png")
    Image.fromarray(np.stack([ids] * 3, -1)).save(tmp_path / "image.png")
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(read_ids, tmp_path / "ids.png").result(), ids)
        np.testing.assert_array_equal(pool.submit(read_image, tmp_path / "image.png").result()[..., 1], ids)


def test_a_palette_image_gives_its_indices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = random_pixels(7, 9)
    palette_image(ids).save(tmp_path / "ids.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)
    without_decoder(monkeypatch)
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)


def test_a_palette_image_as_colours_gives_the_colours(tmp_path: Path) -> None:
    ids = random_pixels(7, 9)
    palette_image(ids).save(tmp_path / "image.png")
    table = 255 - np.arange(3 * 256).reshape(256, 3) % 256
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), table[ids])


def test_transparency_changes_no_id_and_no_colour(tmp_path: Path) -> None:
    pixels = random_pixels(7, 9, 3)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "ids.png", transparency=int(pixels[0, 0, 0]))
    Image.fromarray(pixels).save(tmp_path / "image.png", transparency=tuple(pixels[0, 0].tolist()))
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), pixels[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), pixels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_image_becomes_rgb(channels: int, tmp_path: Path) -> None:
    pixels = random_pixels(7, 9, channels)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(tmp_path / "image.png")
    expected = np.repeat(pixels, 3, -1) if channels == 1 else pixels[..., :3]
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), expected)


def test_a_jpeg_is_read_as_pillow_does(tmp_path: Path) -> None:
    Image.fromarray(random_pixels(40, 30, 3)).save(tmp_path / "image.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "image.jpg"), np.asarray(Image.open(tmp_path / "image.jpg")))


def test_real_files_are_decoded_as_pillow_does(real_data: Path) -> None:
    masks = sorted(real_data.glob("cityscapes/gtFine/*/*/*_000019_gtFine_*Ids.png"))[:4]
    masks += sorted(real_data.glob("voc/VOCdevkit/VOC2012/SegmentationClass/*.png"))[:10]
    images = sorted(real_data.glob("cityscapes/leftImg8bit/*/*/*.png"))[:2]
    images += sorted(real_data.glob("kitti_road/data_road/training/image_2/*.png"))[:2]
    assert masks
    assert images
    for path in masks:
        assert png_reader.decode_ids(path.read_bytes()) is not None
        np.testing.assert_array_equal(read_ids(path), np.asarray(Image.open(path)))
    for path in images:
        assert png_reader.decode_rgb(path.read_bytes()) is not None
        np.testing.assert_array_equal(read_image(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize("read", [read_ids, read_image])
def test_flipped_pixels_are_refused(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(random_pixels(64, 64)).save(path)
    flip_a_pixel(path)
    with pytest.raises(InputError, match=r"image\.png: damaged image"):
        read(path)


@pytest.mark.parametrize("kind", ["ids", "wide ids", "palette", "image", "other image"])
@pytest.mark.parametrize("decoder", [True, False])
def test_no_flipped_bit_gives_other_pixels(
    kind: str, decoder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.repeat(np.repeat(random_pixels(4, 4), 8, 0), 8, 1)
    image = {
        "ids": Image.fromarray(ids),
        "wide ids": Image.fromarray(ids.astype(np.uint16) * np.uint16(200)),
        "palette": palette_image(ids),
        "image": Image.fromarray(np.stack([ids] * 3, -1)),
        "other image": Image.fromarray(np.stack([ids] * 4, -1)),
    }[kind]
    read: Callable[[Path], Any] = read_image if "image" in kind else read_ids
    path = tmp_path / "a.png"
    image.save(path)
    whole, right = path.read_bytes(), read(path)
    if not decoder:
        without_decoder(monkeypatch)
    refused = 0
    for bit in np.random.default_rng(0).choice(8 * len(whole), 200, replace=False).tolist():
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            np.testing.assert_array_equal(read(path), right)
        except InputError:
            refused += 1
    assert refused > 190  # the others are in names of chunks without influence on pixels


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_that_pillow_would_scale_is_refused(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "ids.png"
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    content[24] = bits
    rows = zlib.compress(bytes([0, *[0b10000000] * -(-3 * bits // 8)]) * 3)
    parts = [(b"IHDR", bytes(content[16:29])), (b"IDAT", rows), (b"IEND", b"")]
    path.write_bytes(png(parts))
    with pytest.raises(InputError, match="grey of less than 8 bits a pixel, expected 8 or 16"):
        read_ids(path)


def test_a_grey_image_of_16_bits_is_not_clipped_to_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 30_000, np.uint16)).save(tmp_path / "image.png")
    with pytest.raises(InputError, match=r"image.png: a grey image of more than 8 bits, expected 8 bits a channel"):
        read_image(tmp_path / "image.png")


def test_ids_of_another_format_do_not_wrap(tmp_path: Path) -> None:
    path = tmp_path / "ids.png"
    Image.fromarray(np.full((4, 4), 65_543, np.int32)).save(path, format="TIFF")
    with pytest.raises(InputError, match=r"ids.png: values from 65543 to 65543, expected ids from 0 to 65535"):
        read_ids(path)


@pytest.mark.parametrize("side", [16_384, 20_000, 60_000, 2**31 - 1])
def test_a_header_of_a_giant_image_is_refused_at_once(side: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    path.write_bytes(png(parts))
    for read in (read_ids, read_image) if side == 16_384 else (read_ids, read_image, image_size):
        with pytest.raises(InputError, match=r"bomb.png: "):
            read(path)


def test_damage_of_every_format_is_a_message(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = tmp_path / "a.img"
    pixels = np.zeros((20, 30), np.uint8)
    for kind in ("AVIF", "BLP", "BMP", "DDS", "GIF", "ICO", "JPEG", "PCX", "SPIDER", "TGA", "TIFF", "WEBP"):
        file = io.BytesIO()
        mode = {"BLP": "P", "SPIDER": "F"}.get(kind, "RGB")
        try:
            Image.fromarray(pixels).convert(mode).save(file, kind)
        except KeyError:  # this Pillow was built without the format
            continue
        for _ in range(200):
            content = bytearray(file.getvalue())
            content[int(random.integers(4, min(len(content), 400)))] = int(random.integers(0, 256))
            path.write_bytes(content)
            with contextlib.suppress(InputError):
                open_image(path)
            with contextlib.suppress(InputError):
                image_size(path)


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for read in (read_ids, read_image, image_size):
        for name in ("pipe", "zero"):
            with pytest.raises(InputError, match=f"{name}.png: got a .*, expected a file"):
                read(tmp_path / f"{name}.png")
    assert note_of(tmp_path / "pipe.png", "Software") is None


def test_disk_errors_are_distinguished_from_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(7, 9)).save(path)

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(InputError, match=r"a.png: cannot read it \(Input/output error\)"):
        image_size(path)


def test_pillow_s_own_warnings_are_not_printed(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "moving.png"
    head = struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(4) * 3)
    path.write_bytes(png([(b"IHDR", head), (b"acTL", struct.pack(">II", 0, 0)), (b"IDAT", rows), (b"IEND", b"")]))
    assert read_ids(path).shape == (3, 3)
    assert image_size(path) == (3, 3)
    assert not recwarn.list
