import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cityscapes.ground_truth.seal import is_sealed, sealed
from engine.files import png_chunks, png_reader, png_writer

BARE = png_writer.encode(np.arange(12, dtype=np.uint8).reshape(3, 4), {"Software": "a test"})
WHOLE = sealed(BARE, b"polygons", "labelId")


def test_a_sealed_image_is_the_same_image() -> None:
    png_chunks.verify(WHOLE)
    decoded = png_reader.decode_ids(WHOLE)
    assert decoded is not None
    assert decoded.ravel().tolist() == list(range(12))
    assert is_sealed(WHOLE, b"polygons", "labelId")


def test_source_and_settings_count() -> None:
    assert not is_sealed(WHOLE, b"polygon", "labelId")
    assert not is_sealed(WHOLE, b"polygons", "trainId")
    assert not is_sealed(sealed(BARE, b"labelIdpoly", "gons"), b"poly", "gonslabelId")


@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_every_bit_counts(place: int, bit: int) -> None:
    flipped = bytearray(WHOLE)
    flipped[place] ^= 1 << bit
    assert not is_sealed(bytes(flipped), b"polygons", "labelId")


def test_files_without_a_seal() -> None:
    for content in (b"", b"no image", BARE, WHOLE[:-1], WHOLE + b"\0", png_writer.with_note(BARE, "Seal", "0" * 16)):
        assert not is_sealed(content, b"polygons", "labelId")
