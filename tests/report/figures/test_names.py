"""File names for any name of a run."""

import re

import pytest

from report.figures.names import file_names


def test_plain_names_stay() -> None:
    assert file_names(["fcn8s-vgg16", "a_b.2"]) == {"fcn8s-vgg16": "fcn8s-vgg16", "a_b.2": "a_b.2"}


@pytest.mark.parametrize(
    "name", ["demo/val", "../../etc/passwd", "a\0b\nc", "名前", "", ".", "..", "x" * 300, 'a"<b>|?*:\\', "\udc80"]
)
def test_every_name_becomes_a_safe_part_of_a_file_name(name: str) -> None:
    part = file_names([name])[name]
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,69}", part)


def test_names_that_are_equal_after_cleaning_get_different_files() -> None:
    names = ["a/b", "a b", "a-b", "A-B", "x" * 300, "x" * 299]
    parts = file_names(names).values()
    assert len({part.casefold() for part in parts}) == len(names)


def test_a_name_of_a_file_does_not_depend_on_the_order() -> None:
    assert file_names(["a/b", "a b"]) == file_names(["a b", "a/b"])
