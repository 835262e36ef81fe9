"""Values of records as the page holds them."""

import math

import pytest

from report.sections.values import entries, number, text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456789, 0.12345679),
        (123456789, 123456790.0),
        (0, 0.0),
        (1e-12, 1e-12),
        (math.nan, None),
        (-math.inf, None),
        (10**400, None),
        (True, None),
        ("0.5", None),
        ([0.5], None),
        (None, None),
    ],
)
def test_a_number_has_eight_digits_and_everything_else_is_missing(value: object, shown: float | None) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0.0005, "0.0005"),
        (0.002 / 3, "0.000666667"),
        (1.0, "1"),
        (math.nan, "nan"),
        ("saved", "saved"),
        ("data/demo", "data/demo"),
        ("/home/somebody/data/cityscapes", ".../cityscapes"),
        ("C:\\Users\\somebody\\data", ".../data"),
        (["/a/b/one", 2], ".../one, 2"),
        ([], "-"),
        ({"scale": 1.0, "cache": "/tmp/cache"}, "scale 1, cache .../cache"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_a_value_as_text(value: object, shown: str) -> None:
    assert text(value) == shown


def test_a_long_value_is_cut() -> None:
    assert len(text("x" * 10_000)) < 400


def test_entries_are_those_that_are_known() -> None:
    assert entries({"a": 0, "b": None, "c": 2}, {"c": "third", "a": "first", "b": "second"}) == [
        ("third", 2),
        ("first", 0),
    ]
    assert entries("damaged", {"a": "first"}) == []


def test_rounding_again_gives_the_percent_of_the_result_file() -> None:
    score = 0.3615046909737282  # with five digits it is 0.3615, whose percent is 36.1
    shown = number(score)
    assert shown is not None
    assert f"{100 * shown:.1f}" == f"{100 * score:.1f}" == "36.2"
