import io
import os
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from cityscapes.formats import instance
from cityscapes.formats.instance import BoxedMask, InstanceLine, LineFault, parse, path_within, read_mask
from engine.errors import InputError
from engine.files import png_chunks

Pixels = npt.NDArray[Any]


def as_pillow(content: bytes) -> Pixels:
    """The mask as the official scorer reads it."""
    pixels: Pixels = np.asarray(Image.open(io.BytesIO(content)).convert("L")) != 0
    return pixels


def whole(mask: BoxedMask) -> Pixels:
    """The mask with the pixels outside of its box."""
    pixels = np.zeros(mask.size[::-1], np.bool_)
    height, width = mask.pixels.shape
    pixels[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels
    return pixels


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def blob(size: tuple[int, int] = (40, 50), seed: int = 0) -> Pixels:
    """(H, W) an area somewhere in the image, not convex, often cut by the edge."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.zeros(size, np.bool_)
    top, left = rng.integers(0, size[0]), rng.integers(0, size[1])
    for _ in range(3):
        row, column = top + rng.integers(-6, 7), left + rng.integers(-6, 7)
        pixels |= (rows - row) ** 2 + (columns - column) ** 2 < rng.integers(2, 80)
    return pixels


def filtered(pixels: Pixels, filters: npt.NDArray[np.uint8]) -> bytes:
    """A grey PNG whose rows have these filters, as the PNG specification defines them."""
    height, width = pixels.shape
    lines = bytearray()
    for row in range(height):
        lines.append(int(filters[row]))
        for column in range(width):
            left = int(pixels[row, column - 1]) if column else 0
            above = int(pixels[row - 1, column]) if row else 0
            corner = int(pixels[row - 1, column - 1]) if row and column else 0
            near = min((left, above, corner), key=lambda value: abs(left + above - corner - value))
            predicted = (0, left, above, (left + above) // 2, near)[filters[row]]
            lines.append((int(pixels[row, column]) - predicted) % 256)
    return png(struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), zlib.compress(bytes(lines)))


def png(header: bytes, stream: bytes) -> bytes:
    chunks = ((b"IHDR", header), (b"IDAT", stream), (b"IEND", b""))
    return png_chunks.SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


# Masks


KINDS: dict[str, Callable[[Pixels], bytes]] = {
    "grey": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint8) * 255)),
    "grey of 1": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint8))),
    "one bit": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint8) * 255).convert("1")),
    "palette": lambda pixels: saved(with_palette(pixels)),
    "palette of 1 bit": lambda pixels: saved(with_palette(pixels), bits=1),
    "RGB": lambda pixels: saved(Image.fromarray(np.stack([pixels * 1, pixels * 9, pixels * 3], -1).astype(np.uint8))),
    "grey and alpha": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint8) * 255).convert("LA")),
    "RGBA": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint8) * 255).convert("RGBA")),
    "16 bits": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint16) * 300)),
    "transparent": lambda pixels: saved(Image.fromarray(pixels.astype(np.uint8) * 255), transparency=255),
    "own": instance.encode_mask,
}


def with_palette(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels.astype(np.uint8))
    image.putpalette([0, 0, 0, 220, 20, 60])
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_mask_is_read_as_pillow_does(kind: str) -> None:
    for seed in range(30):
        content = KINDS[kind](blob(seed=seed))
        read = read_mask(content)
        np.testing.assert_array_equal(whole(read), as_pillow(content))
        assert read.size == (50, 40)
        if read.pixels.size:
            assert read.pixels[0].any()
            assert read.pixels[-1].any()
            assert read.pixels[:, 0].any()
            assert read.pixels[:, -1].any()


@given(st.integers(0, 1 << 32), st.sampled_from([1, 128, 255]), st.booleans())
def test_all_filters_of_a_png_are_reversed(seed: int, value: int, noisy: bool) -> None:
    rng = np.random.default_rng(seed)
    pixels = blob((12, 9), seed).astype(np.uint8) * value
    if noisy:
        pixels = (pixels * rng.integers(0, 256, pixels.shape)).astype(np.uint8)
    content = filtered(pixels, rng.integers(0, 5, 12, np.uint8))
    np.testing.assert_array_equal(as_pillow(content), pixels != 0)
    np.testing.assert_array_equal(whole(read_mask(content)), pixels != 0)


@pytest.mark.parametrize("rows", [slice(0, 12), slice(5, 12), slice(0, 3), slice(11, 12)])
@pytest.mark.parametrize("columns", [slice(0, 9), slice(4, 9), slice(0, 2), slice(8, 9)])
@pytest.mark.parametrize("number", range(5))
def test_masks_that_reach_an_edge(rows: slice, columns: slice, number: int) -> None:
    pixels = np.zeros((12, 9), np.uint8)
    pixels[rows, columns] = 255
    content = filtered(pixels, np.full(12, number, np.uint8))
    np.testing.assert_array_equal(whole(read_mask(content)), pixels != 0)


def test_colours_that_pillow_makes_black_are_not_in_the_mask() -> None:
    image = Image.fromarray(blob().astype(np.uint8))
    image.putpalette([0, 0, 0, 0, 0, 1])
    assert read_mask(saved(image)).pixels.size == 0
    assert read_mask(saved(image.convert("RGB"))).pixels.size == 0


def test_a_palette_whose_first_colour_is_white() -> None:
    image = Image.fromarray(blob().astype(np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    np.testing.assert_array_equal(whole(read_mask(saved(image))), ~blob())


def test_an_empty_mask() -> None:
    read = read_mask(instance.encode_mask(np.zeros((20, 30), np.bool_)))
    assert (read.size, read.top, read.left, read.pixels.shape) == ((30, 20), 0, 0, (0, 0))


def test_other_formats_are_read_as_pillow_does() -> None:
    file = io.BytesIO()
    Image.fromarray(blob().astype(np.uint8) * 255).save(file, "BMP")
    np.testing.assert_array_equal(whole(read_mask(file.getvalue())), blob())


def test_masks_are_read_in_threads() -> None:
    read: list[BoxedMask] = []
    thread = threading.Thread(target=lambda: read.append(read_mask(instance.encode_mask(blob()))))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(whole(read[0]), blob())


@pytest.mark.parametrize("kind", ["grey", "own", "one bit", "palette"])
def test_a_flipped_bit_is_an_error_or_changes_nothing(kind: str) -> None:
    content = KINDS[kind](blob())
    refused = 0
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            read = read_mask(bytes(flipped), Path("a.png"))
        except InputError as error:
            refused += str(error).startswith("a.png: ")
        else:
            np.testing.assert_array_equal(whole(read), blob(), str(bit))
    assert refused > 7 * len(content)


def test_a_wrong_checksum_of_the_pixels_is_an_error() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in blob().astype(np.uint8))
    stream = bytearray(zlib.compress(rows))
    stream[-1] ^= 1
    with pytest.raises(InputError, match=r"^a\.png: damaged image \(the compressed pixels are damaged\)"):
        read_mask(png(struct.pack(">IIBBBBB", 50, 40, 8, 0, 0, 0, 0), bytes(stream)), Path("a.png"))


def test_an_unknown_filter_is_an_error() -> None:
    rows = b"".join(b"\5" + row.tobytes() for row in blob().astype(np.uint8))
    with pytest.raises(InputError, match=r"^a\.png: damaged image"):
        read_mask(png(struct.pack(">IIBBBBB", 50, 40, 8, 0, 0, 0, 0), zlib.compress(rows)), Path("a.png"))


def test_what_is_not_an_image_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^a\.png: the file \(5 bytes\) is not an image"):
        read_mask(b"hello", Path("a.png"))
    with pytest.raises(InputError, match=r"^a\.png: the file is empty"):
        read_mask(b"", Path("a.png"))


def test_a_header_of_too_many_pixels_is_an_error() -> None:
    head = struct.pack(">IIBBBBB", 40_000, 30_000, 8, 0, 0, 0, 0)
    with pytest.raises(InputError, match=r"^a\.png: "):
        read_mask(png(head, zlib.compress(bytes(1000))), Path("a.png"))


# Text files


def test_lines_are_read_as_the_official_scorer_does() -> None:
    content = b"a.png 24 0.5\r\nm/b.png 26.9 1e-3\rc.png 7 -2\n../d.png 33.0 1_0"
    assert parse(content, "berlin") == (
        [
            InstanceLine(1, "a.png", 24, 0.5),
            InstanceLine(2, "m/b.png", 26, 0.001),
            InstanceLine(3, "c.png", 7, -2.0),
            InstanceLine(4, "../d.png", 33, 10.0),
        ],
        [],
    )
    assert parse(b"") == ([], [])
    assert parse(b"a.png 0 1\n") == ([InstanceLine(1, "a.png", 0, 1.0)], [])


EXPECTED = "expected: path label-id confidence, with single blanks"
LABELS = "24 person, 25 rider, 26 car, 27 truck, 28 bus, 31 train, 32 motorcycle, 33 bicycle"


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("a.png 24", {"fields": f"got 2 fields in 'a.png 24', {EXPECTED}"}),
        ("a  24 1", {"fields": f"got 4 fields in 'a  24 1', {EXPECTED}"}),
        ("a 24 1 ", {"fields": f"got 4 fields in 'a 24 1 ', {EXPECTED}"}),
        (
            "a\t24\t1",
            {"fields": f"got 1 field in 'a\\t24\\t1', {EXPECTED}"},
        ),
        ("", {"fields": f"got an empty line, {EXPECTED}"}),
        (" 24 1", {"path": "got '', expected the path of a mask"}),
        ("a\0b 24 1", {"path": "got 'a\\x00b', expected the path of a mask"}),
        ("/a 24 1", {"absolute path": "got the absolute path '/a', expected one relative to the text file"}),
        ("../../a 24 1", {"outside": "got '../../a', expected a mask within the folder of the predictions"}),
        ("a 34 1", {"label id": f"got label id '34', expected one of {LABELS}"}),
        ("a car 1", {"label id": f"got label id 'car', expected one of {LABELS}"}),
        ("a nan 1", {"label id": f"got label id 'nan', expected one of {LABELS}"}),
        ("a inf 1", {"label id": f"got label id 'inf', expected one of {LABELS}"}),
        ("a 24 high", {"confidence": "got confidence 'high', expected a number"}),
        ("a 24 nan", {"confidence": "got confidence 'nan', expected a number"}),
        ("a 24 -inf", {"confidence": "got confidence '-inf', expected a number"}),
        (
            "/a 255 0,5",
            {
                "absolute path": "got the absolute path '/a', expected one relative to the text file",
                "label id": f"got label id '255', expected one of {LABELS}",
                "confidence": "got confidence '0,5', expected a number",
            },
        ),
    ],
)
def test_faulty_lines_are_described(line: str, faults: dict[str, str]) -> None:
    expected = [LineFault(2, kind, what) for kind, what in faults.items()]
    assert parse(f"a.png 24 0.5\n{line}\nb.png 25 1\n".encode(), "berlin") == (
        [InstanceLine(1, "a.png", 24, 0.5), InstanceLine(3, "b.png", 25, 1.0)],
        expected,
    )


def test_text_that_is_not_utf_8() -> None:
    assert parse(b"a.png 24 0.5\n\xff.png 24 0.5\n") == (
        [],
        [LineFault(2, "encoding", "byte 13 is not UTF-8 text, expected UTF-8")],
    )


def test_far_too_many_lines() -> None:
    assert parse(b"a 24 1\n" * 100_000) == (
        [],
        [LineFault(10_001, "lines", "got 100,000 lines, expected at most 10,000")],
    )


def test_long_fields_are_shortened() -> None:
    (fault,) = parse(b"a" * 100_000 + b"\n")[1]
    assert len(fault.what) < 200


@given(st.binary())
def test_any_bytes_are_read(content: bytes) -> None:
    lines, faults = parse(content, "berlin")
    assert all(path_within(line.mask, "berlin") is not None for line in lines)
    assert all(fault.what for fault in faults)


@given(st.text(alphabet="a./"), st.sampled_from(["", "b", "b/c"]))
def test_places_are_those_that_the_system_finds(mask: str, folder: str) -> None:
    assume(not mask.startswith("/"))
    path = path_within(mask, folder)
    found = os.path.normpath("/".join(["/x/y", *filter(None, [folder]), mask]))
    if path is None:
        assert not (found + "/").startswith("/x/y/")
    else:
        assert os.path.normpath(f"/x/y/{path}") == found


@given(
    st.lists(
        st.builds(
            InstanceLine,
            st.just(0),
            st.from_regex(r"[a-z0-9_-]{1,9}(/[a-z]{1,5})?\.png", fullmatch=True),
            st.sampled_from([label.id for label in instance.LABELS_WITH_INSTANCES]),
            st.floats(allow_nan=False, allow_infinity=False),
        )
    )
)
def test_written_lines_are_read_back(lines: list[InstanceLine]) -> None:
    numbered = [line._replace(number=number) for number, line in enumerate(lines, start=1)]
    assert parse(instance.text_of(lines).encode()) == (numbered, [])


def test_paths_with_blanks_are_not_written() -> None:
    with pytest.raises(InputError, match=r"'a b\.png': a path with blanks"):
        instance.text_of([InstanceLine(1, "a b.png", 24, 1.0), InstanceLine(1, "c.png", 24, 1.0)])


def test_the_scored_labels_are_those_of_the_official_scorer() -> None:
    assert [(label.id, label.name) for label in instance.LABELS_WITH_INSTANCES] == [
        (24, "person"),
        (25, "rider"),
        (26, "car"),
        (27, "truck"),
        (28, "bus"),
        (31, "train"),
        (32, "motorcycle"),
        (33, "bicycle"),
    ]
