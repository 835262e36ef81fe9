from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files import png_reader
from engine.files.images import read_ids, read_image


def random_pixels(*shape: int) -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


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
def test_images_are_no_ids(channels: int, mode: str, tmp_path: Path) -> None:
    Image.fromarray(random_pixels(7, 9, channels)).save(tmp_path / "ids.png")
    with pytest.raises(InputError, match=f"ids.png: expected one channel of ids, got a {mode} image"):
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
