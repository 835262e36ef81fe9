import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.files import png_writer
from engine.files.images import note_of
from engine.files.png_writer import Lookup


def decoded(data: bytes) -> npt.NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(data)))


def blocks(seed: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (height, width)), np.ones((3, 2))).astype(np.uint8)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20), st.integers(1, 20))
def test_encoded_ids_decode_unchanged(seed: int, height: int, width: int) -> None:
    image = blocks(seed, height, width)
    rng = np.random.default_rng(seed)
    ids, colors = rng.integers(0, 256, 256).astype(np.uint8), rng.integers(0, 256, (256, 3)).astype(np.uint8)
    steps = png_writer.Steps.of(image)
    assert np.array_equal(decoded(png_writer.encode(image)), image)
    assert np.array_equal(decoded(png_writer.encode_lookup(steps, Lookup(ids))), ids[image])
    assert np.array_equal(decoded(png_writer.encode_lookup(steps, Lookup(colors))), colors[image])
    large = image.astype(np.uint16) * 257
    assert np.array_equal(decoded(png_writer.encode(large)), large)


def test_a_view_of_an_image_is_encoded_as_it_looks() -> None:
    image = blocks(1, 8, 8)
    assert np.array_equal(decoded(png_writer.encode(image[::2, ::-1])), image[::2, ::-1])
    assert np.array_equal(
        decoded(png_writer.encode_lookup(png_writer.Steps.of(image[:, 1:].T), Lookup(np.arange(256, dtype=np.uint8)))),
        image[:, 1:].T,
    )


def test_opens_as_ids_and_as_colours() -> None:
    steps = png_writer.Steps.of(blocks(2, 5, 5))
    assert Image.open(io.BytesIO(png_writer.encode_lookup(steps, Lookup(np.zeros(256, np.uint8))))).mode == "L"
    assert Image.open(io.BytesIO(png_writer.encode_lookup(steps, Lookup(np.zeros((256, 3), np.uint8))))).mode == "RGB"


@pytest.mark.parametrize("note", [None, "somebody"])
def test_the_file_names_its_software(tmp_path: Path, note: str | None) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(png_writer.encode(blocks(3, 2, 2), {} if note is None else {"Software": note}))
    assert note_of(path, "Software") == note


def test_the_same_image_gives_the_same_bytes_in_every_thread() -> None:
    image = np.zeros((4, 6), np.uint8)
    image[2:] = 7
    results = []
    done = threading.Event()

    def encode() -> None:
        results.append(png_writer.encode(image))
        done.wait()  # threads that run at the same time have different stacks; ISA-L's fault depends on their addresses

    threads = [threading.Thread(target=encode) for _ in range(300)]
    for thread in threads:
        thread.start()
    done.set()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * len(threads)
