"""Names of images in files of other programs, and of the files that are written for them."""

from pathlib import Path, PurePosixPath

import pytest

from cityscapes.convert import polygon_file, reference
from cityscapes.convert.reference import Image, Reference

STEM = "frankfurt_000000_000294"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (STEM, STEM),
        (f"{STEM}_leftImg8bit.png", STEM),
        (f"/data/val/frankfurt/{STEM}_leftImg8bit.png", STEM),
        (f"C:\\val\\{STEM}.png", STEM),
        ("bad-aachen_000000_000294", "bad-aachen_000000_000294"),
        ("x frankfurt_000000_000294", None),
        ("..\u202e_000000_000294", None),
        ("münchen_000000_000294", None),
        ("frankfurt_000000_00029\uff14", None),
        ("000000000042.png", None),
        ("", None),
    ],
)
def test_the_stem_of_a_scene(name: str, stem: str | None) -> None:
    assert reference.stem_of(name) == stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.png", "a"),
        ("train/aachen/aachen_000000_000019_leftImg8bit.png", "train/aachen/aachen_000000_000019"),
        ("a\\b.jpg", "a/b"),
        ("_leftImg8bit.png", "_leftImg8bit"),
        ("a..b/c.d.png", "a..b/c.d"),
        (".png", ".png"),
        ("../a.png", None),
        ("a/../../b.png", None),
        ("/a.png", None),
        ("\\a.png", None),
        ("c:a.png", None),
        ("a\x1b[2J.png", None),
        ("", None),
        (".", None),
        ("a/" * 99 + "x" * 300, None),
    ],
)
def test_the_path_of_an_annotated_image(name: str, stem: str | None) -> None:
    assert polygon_file.stem_of(name) == (None if stem is None else PurePosixPath(stem))


def test_images_are_found_by_id_or_by_name() -> None:
    known = Image(STEM, (2048, 1024))
    names = Reference(Path("a.json"), {3: known, "x": known}, {STEM: known}, {})
    assert reference.image_of(3, [], names) == known
    assert reference.image_of("x", [], names) == known
    assert reference.image_of(f"{STEM}_leftImg8bit.png", [], names) == known
    assert reference.image_of(9, [f"{STEM}.png"], names) == known
    assert reference.image_of(9, [f"{STEM}.png"], None) == Image(STEM, None)
    assert reference.image_of("lindau_000000_000019", [], names) == Image("lindau_000000_000019", None)
    assert "expected an id in a.json" in str(reference.image_of(9, [None, 3], names))
    assert "image_id is 9, expected" in str(reference.image_of(9, ["y.png"], None))
    assert "image_id is True" in str(reference.image_of(True, [], None))
