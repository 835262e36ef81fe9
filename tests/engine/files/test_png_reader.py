import io
import os
import signal
import struct
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import kornia_rs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from engine.files import png_chunks, png_reader, png_writer

Ids = npt.NDArray[np.uint8 | np.uint16]
Chunks = list[tuple[bytes, bytes]]
"""Name and content of each PNG."""
KINDS = {"grey": (0, 8), "deep": (0, 16), "rgb": (2, 8), "palette": (3, 8)}
"""Colour types and bits that are decoded here."""


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


def joined(chunks: Chunks) -> bytes:
    return png_chunks.SIGNATURE + b"".join(chunk(name, data) for name, data in chunks)


def png(kind: int, bits: int, size: tuple[int, int], stream: bytes | None = None, interlacing: int = 0) -> Chunks:
    """A PNG with random pixels and random row filters, or with a given stream of pixels."""
    height, width = size
    if stream is None:
        rows = np.random.default_rng(0).integers(
            0, 256, (height, 1 + width * (3 if kind == 2 else bits // 8)), np.uint8
        )
        rows[:, 0] %= 5
        stream = zlib.compress(rows.tobytes())
    return [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlacing)),
        *([(b"PLTE", bytes(range(255, -1, -1)) * 3)] if kind == 3 else []),
        (b"IDAT", stream),
        (b"IEND", b""),
    ]


def decoded(content: bytes) -> Ids | None:
    """The pixels of a PNG, decoded by the function for its colour type."""
    ids, pixels = png_reader.decode_ids(content), png_reader.decode_rgb(content)
    assert ids is None or pixels is None
    return pixels if ids is None else ids


def by_pillow(content: bytes) -> Ids:
    return np.asarray(Image.open(io.BytesIO(content)))


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
    return png_chunks.SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


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
    found = png_reader.decode_ids(content)
    assert found is not None
    assert found.dtype == ids.dtype
    np.testing.assert_array_equal(found, ids)
    np.testing.assert_array_equal(by_pillow(content), ids)


@pytest.mark.parametrize("name", KINDS)
def test_each_plain_kind_is_decoded_as_pillow_does(name: str) -> None:
    content = joined(png(*KINDS[name], (40, 57)))
    found, expected = decoded(content), by_pillow(content)
    assert found is not None
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_a_palette_gives_its_indices() -> None:
    ids = random_ids(8)
    image = Image.fromarray(ids)
    image.putpalette(bytes(range(255, -1, -1)) * 3)
    found = png_reader.decode_ids(encoded(image))
    assert found is not None
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"sRGB", b"\0"),
        (b"sBIT", b"\4"),
        (b"tEXt", b"Software\0x"),
        (b"bKGD", b"\0\1"),
    ],
)
def test_notes_in_a_file_change_no_id(name: bytes, data: bytes) -> None:
    ids = random_ids(8)
    found = png_reader.decode_ids(with_chunk(encoded(Image.fromarray(ids)), name, data))
    assert found is not None
    np.testing.assert_array_equal(found, ids)


def moving(kind: int, size: tuple[int, int]) -> bytes:
    """An APNG of one frame."""
    head, *rest = png(kind, 8, size)
    frame = struct.pack(">IIIIIHHBB", 0, size[1], size[0], 0, 0, 1, 10, 0, 0)
    return joined([head, (b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", frame), *rest])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(with_chunk(joined(png(0, 8, (5, 6))), b"tRNS", b"\0\7"), id="a transparent grey"),
        pytest.param(with_chunk(joined(png(2, 8, (5, 6))), b"tRNS", b"\0\7\0\7\0\7"), id="a transparent colour"),
        pytest.param(moving(0, (5, 6)), id="frames"),
        pytest.param(joined([*png(0, 8, (5, 6))[:2], *png(0, 8, (5, 6))[::2]]), id="two headers"),
        pytest.param(joined(png(0, 8, (1, 1), interlacing=1)), id="interlaced"),
        pytest.param(encoded(Image.fromarray(random_ids(8) > 100)), id="one bit"),
        pytest.param(encoded(Image.fromarray(random_ids(8, (5, 6 * 2)).reshape(5, 6, 2), "LA")), id="grey and alpha"),
        pytest.param(encoded(Image.fromarray(random_ids(8, (5, 6 * 4)).reshape(5, 6, 4))), id="RGBA"),
    ],
)
def test_other_kinds_of_png_are_left_to_pillow(content: bytes) -> None:
    assert decoded(content) is None
    by_pillow(content)


def test_unknown_methods_of_filtering_are_left_to_pillow_which_refuses_them() -> None:
    (name, head), *rest = png(0, 8, (5, 6))
    content = joined([(name, head[:11] + b"\1" + head[12:]), *rest])
    assert decoded(content) is png_reader.grey_rows(content) is None
    with pytest.raises(UnidentifiedImageError):
        by_pillow(content)


def test_ids_are_not_decoded_as_colours() -> None:
    grey, colour = (joined(png(*KINDS[name], (5, 6))) for name in ("grey", "rgb"))
    assert png_reader.decode_rgb(grey) is None
    assert png_reader.decode_ids(colour) is None


def test_other_threads_leave_all_to_pillow() -> None:
    content, found = joined(png(0, 8, (5, 6))), []
    thread = threading.Thread(target=lambda: found.append(png_reader.decode_ids(content)))
    thread.start()
    thread.join()
    assert found == [None]


ROWS = zlib.decompress(png(0, 8, (30, 40))[1][1])


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(zlib.compress(ROWS)[:-1] + b"\0", id="wrong Adler-32"),
        pytest.param(zlib.compress(ROWS)[:-4], id="no Adler-32"),
        pytest.param(zlib.compress(ROWS)[:-40], id="short stream"),
        pytest.param(zlib.compress(ROWS[:-41]), id="a row too few"),
        pytest.param(zlib.compress(ROWS + ROWS[:41]), id="a row too many"),
        pytest.param(zlib.compress(b"\7" + ROWS[1:]), id="an unknown filter"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_pixels_that_do_not_fit_are_left_to_pillow_although_the_checksums_of_chunks_are_right(stream: bytes) -> None:
    content = joined(png(0, 8, (30, 40), stream))
    png_chunks.inspect(content)
    assert png_reader.decode_ids(content) is None


@pytest.mark.parametrize(
    "size", [(0, 0), (0, 5), (5, 0), (100_000, 100_000), (2**31 - 1, 2**31 - 1), (1 << 14, 1 << 14)]
)
@pytest.mark.parametrize("kind", [0, 2])
def test_a_header_with_a_wrong_size_takes_no_memory(kind: int, size: tuple[int, int]) -> None:
    content = joined(png(kind, 8, size, zlib.compress(bytes(1000))))
    assert peak(lambda: decoded(content)) < 1 << 20


def test_an_endless_stream_takes_no_memory() -> None:
    content = joined(png(0, 8, (3, 4), zlib.compress(bytes(100 << 20))))
    assert peak(lambda: decoded(content)) < 1 << 20


def peak(work: Callable[[], object]) -> int:
    """Bytes that a refused decoding takes."""
    png_reader.keep_freed_memory()
    tracemalloc.start()
    try:
        assert work() is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class PanicException(BaseException):
    """A stand-in for the class of pyo3, which no module exports."""


@pytest.mark.parametrize(
    ("raised", "escapes"), [(PanicException(), False), (Exception(), False), (KeyboardInterrupt(), True)]
)
def test_a_panic_of_the_decoder_is_a_refusal(
    raised: BaseException, escapes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(kornia_rs.io, "decode_image_png_u8", decode)
    content = joined(png(0, 8, (5, 6)))
    if escapes:
        with pytest.raises(type(raised)):
            png_reader.decode_ids(content)
    else:
        assert png_reader.decode_ids(content) is None


@pytest.mark.parametrize("others", [0, 1])
def test_ctrl_c_waits_for_the_decoder(others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception inside its Python code became a panic and was lost, also if another thread got the signal."""
    steps = []
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(others)]
    for thread in threads:
        thread.start()

    def decode(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # until another thread has it
        steps.append("decoded")
        raise PanicException  # as for an exception in a handler

    monkeypatch.setattr(kornia_rs.io, "decode_image_png_u8", decode)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            png_reader.decode_ids(joined(png(0, 8, (5, 6))))
    finally:
        signal.signal(signal.SIGINT, usual)
        done.set()
    assert steps == ["decoded"]


def spoilt_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with bytes changed, removed, repeated or cut off."""
    start, stop = sorted(rng.integers(8, len(content), 2).tolist())
    stop = min(stop, start + 20)
    changed = bytes(rng.integers(0, 256, stop - start, np.uint8))
    ways = [
        content[:start] + changed + content[stop:],
        content[:start] + content[stop:],
        content[:stop] + content[start:],
        content[:start],
        content + changed,
    ]
    return ways[rng.integers(len(ways))]


def spoilt_chunks(chunks: Chunks, rng: np.random.Generator) -> Chunks:
    """Chunks changed, removed, repeated, exchanged, split or renamed; their checksums stay right."""
    spoilt = list(chunks)
    here, there = rng.integers(len(spoilt), size=2)
    name, data = spoilt[here]
    cut = int(rng.integers(len(data) + 1))
    ways: list[Chunks] = [
        [(name, data[:cut])],
        [(name, data[:cut] + bytes(rng.integers(0, 256, 1, np.uint8)) + data[cut + 1 :])],
        [(name, data[:cut]), (name, data[cut:])],
        [(name, data + data[:cut])],
        [(name, data)] * 2,
        [spoilt[there]],
        [(spoilt[there][0], data)],
        [],
    ]
    spoilt[here : here + 1] = ways[rng.integers(len(ways))]
    return spoilt


def spoilt_rows(chunks: Chunks, rng: np.random.Generator) -> Chunks:
    """Rows with other, more or fewer bytes, compressed again; sometimes with a wrong Adler-32."""
    *front, (name, stream), end = chunks
    rows = bytearray(zlib.decompress(stream))
    place = int(rng.integers(len(rows)))
    match rng.integers(4):
        case 0:
            rows[place] = rng.integers(0, 256)
        case 1:
            del rows[place:]
        case 2:
            rows += rows[:place]
        case _:
            stream = stream[:-1] + bytes([stream[-1] ^ 1])
            return [*front, (name, stream), end]
    return [*front, (name, zlib.compress(rows, int(rng.integers(10)))), end]


@pytest.mark.parametrize("name", KINDS)
def test_a_changed_file_is_refused_or_decoded_as_pillow_does(name: str) -> None:
    rng = np.random.default_rng(0)
    same = refused = 0
    for _ in range(600):
        chunks = png(*KINDS[name], (int(rng.integers(1, 40)), int(rng.integers(1, 40))))
        spoilt = [
            spoilt_bytes(joined(chunks), rng),
            joined(spoilt_chunks(chunks, rng)),
            joined(spoilt_rows(chunks, rng)),
        ]
        for content in spoilt:
            if (found := decoded(content)) is None:
                refused += 1
                continue
            np.testing.assert_array_equal(found, by_pillow(content))
            same += 1
    assert same > 200
    assert refused > 800


def test_without_the_decoder_all_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(Image.fromarray(random_ids(8)))
    assert decoded(content) is not None
    monkeypatch.setitem(sys.modules, "kornia_rs", None)
    assert decoded(content) is None


@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 0, 1, 3, 2]])
def test_filtered_rows_are_a_png_again(filters: list[int]) -> None:
    ids = random_ids(8)
    rows = png_reader.grey_rows(filtered(ids, filters))
    assert rows is not None
    assert rows[:, 0].tolist() == [filters[row % len(filters)] for row in range(len(ids))]
    np.testing.assert_array_equal(by_pillow(png_writer.encode_rows(rows)), ids)


def test_filtered_rows_are_of_undamaged_grey_of_8_bits_only() -> None:
    content = filtered(random_ids(8), [0])
    assert png_reader.grey_rows(content) is not None
    refused = [content[:-13], content[:50] + content[51:], with_chunk(content, b"tRNS", b"\0\0"), b""]
    refused += [joined(png(kind, bits, (7, 9))) for name, (kind, bits) in KINDS.items() if name != "grey"]
    refused.append(joined(png(0, 8, (7, 9), zlib.compress(bytes(7 * 10 - 1)))))
    refused.append(joined(png(0, 8, (7, 9), zlib.compress(bytes(7 * 10 + 1)))))
    refused.append(joined(png(0, 8, (7, 9), zlib.compress(bytes(7 * 10))[:-1] + b"x")))
    refused.append(joined(png(0, 8, (7, 9), zlib.compress(b"\5" + bytes(7 * 10 - 1)))))
    for other in refused:
        assert png_reader.grey_rows(other) is None


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
    pieces=st.integers(1, 3),
)
def test_rows_are_inflated_by_kornia_as_by_isal(
    size: tuple[int, int], filters: list[int], seed: int, pieces: int
) -> None:
    content = filtered(random_ids(8, size, seed), filters)
    stream = content[41:-16]
    parts = [stream] if pieces == 1 else cut(stream, pieces)
    content = content[:33] + b"".join(chunk(b"IDAT", part) for part in parts) + chunk(b"IEND", b"")
    with pytest.MonkeyPatch.context() as patch:
        rows = png_reader.grey_rows(content)
        used: list[Any] = []
        patch.setattr(png_reader, "_inflated_by_kornia", lambda *arguments: used.append(arguments))
        others = png_reader.grey_rows(content)
        patch.undo()
        assert len(used) == 1
    assert rows is not None
    assert others is not None
    np.testing.assert_array_equal(rows, others)
    by_kornia = png_reader._inflated_by_kornia(*used[0])
    if filters[0] == 3:
        assert by_kornia is None
    else:
        assert by_kornia is not None
        np.testing.assert_array_equal(by_kornia, others.reshape(-1))


def cut(stream: bytes, pieces: int) -> list[bytes]:
    """The stream in pieces, of which the first is empty."""
    middle = len(stream) // (pieces - 1)
    return [b"", *(stream[start : start + middle] for start in range(0, len(stream), middle))]


@pytest.mark.parametrize("position", range(-4, 0))
def test_rows_with_a_wrong_adler_32_are_refused(position: int) -> None:
    content = filtered(random_ids(8), [0])
    stream = bytearray(content[41:-16])
    stream[position] ^= 1
    assert png_reader.grey_rows(content[:33] + chunk(b"IDAT", bytes(stream)) + chunk(b"IEND", b"")) is None
