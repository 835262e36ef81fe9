from hypothesis import given
from hypothesis import strategies as st

from engine.inference.grid import plan, spans
from engine.inference.receptive_field import ALIGNMENT


@given(st.integers(1, 3000), st.integers(1, 100), st.integers(0, 10))
def test_spans_cover_an_axis_once_with_margins(length: int, parts: int, units: int) -> None:
    margin = units * ALIGNMENT
    axis = spans(length, parts, margin)
    assert [span.start for span in axis] == [0, *[span.end for span in axis[:-1]]]
    assert axis[-1].end == length
    for span in axis:
        assert span.start < span.end
        assert span.first == max(0, span.start - margin)
        assert span.last == min(length, span.end + margin)
        assert span.first % ALIGNMENT == span.start % ALIGNMENT == 0


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 8), st.integers(1, 1 << 23))
def test_plan_respects_the_most_pixels_where_possible(height: int, width: int, units: int, most: int) -> None:
    margin = units * ALIGNMENT
    grid = plan(height, width, margin, most)
    smallest = plan(height, width, margin, 0)
    assert grid.largest <= most or grid.largest == smallest.largest
    side = max(ALIGNMENT, margin) + 2 * margin
    assert smallest.largest <= min(height, side) * min(width, side)
    if most >= height * width:
        assert grid.work == height * width, "one tile is the least work"
