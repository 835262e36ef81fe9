import math

import pytest

from engine.ranges import Range, out_of_range


@pytest.mark.parametrize(
    ("number", "inside"),
    [
        (0, True),
        (1, True),
        (0.5, True),
        (-1, False),
        (1.001, False),
        (math.nan, False),
        (math.inf, False),
        ("1", False),
    ],
)
def test_a_range_with_its_ends(number: object, inside: object) -> None:
    assert (number in Range(0, 1)) == inside


def test_a_range_without_its_ends() -> None:
    open_range = Range(0, 1, above=True, below=True)
    assert 0.5 in open_range
    assert not [number for number in (0, 1, math.nan) if number in open_range]
    assert str(open_range) == "more than 0 and less than 1"


def test_all_numbers_out_of_range_are_reported() -> None:
    ranges = {"a": Range(0, 1e-12), "b": Range(1, 1024), "c": Range(0, 9)}
    assert out_of_range({"a": 1, "b": 0, "c": 5, "d": "x"}, ranges) == [
        "--a 1: expected at least 0 and at most 1e-12",
        "--b 0: expected at least 1 and at most 1024",
    ]
