from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.inference import page

ENTRIES = [(f"class {number}", (number, 255 - number, 77)) for number in range(0, 200, 10)]


@pytest.mark.parametrize(
    ("size", "high", "wide"),
    [
        ((1024, 2048), 320, 3 * 640 + 2 * 8),
        ((30, 44), 6 * 30, 3 * 6 * 44 + 2 * 8),
        ((100, 400), 3 * 100 + 2 * 24, 400),
    ],
)
def test_panels_are_next_to_or_below_each_other(size: tuple[int, int], high: int, wide: int) -> None:
    panel = np.full((*size, 3), 9, np.uint8)
    drawn = page.page("a title", dict.fromkeys(("image", "ground truth", "prediction"), panel), ENTRIES[:1])
    title, caption, legend, margin = 34, 24, 16 + 2 * 8, 14
    assert drawn.shape == (title + caption + high + legend, wide + 2 * margin, 3)
    assert all((drawn == color).all(-1).any() for color in ((9, 9, 9), ENTRIES[0][1], (255, 255, 255)))


def test_a_long_legend_has_several_rows() -> None:
    drawn = page.legend(ENTRIES)
    assert drawn.shape[1] == 640
    assert drawn.shape[0] > 3 * 24
    assert all((drawn == color).all(-1).any() for _, color in ENTRIES)


def test_an_animation_of_pictures_of_several_sizes(tmp_path: Path) -> None:
    pictures = [("first", np.full((40, 60, 3), 90, np.uint8)), ("second", np.full((900, 300, 3), 120, np.uint8))]
    page.animation(tmp_path / "a.gif", pictures, ENTRIES)
    with Image.open(tmp_path / "a.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 2
        assert gif.width == 360, "a small picture is enlarged by a whole number"
        assert gif.height > 480, "a tall picture is reduced to that height"
        frame = np.asarray(gif.convert("RGB"))
    assert all((frame == color).all(-1).any() for _, color in ENTRIES), "colours of the legend are exact"


def test_titles_that_are_too_long_lose_their_middle() -> None:
    assert page._text("a" * 500, 200, 18).size == (200, 34)
    assert page._text("short", 200, 18).size == (200, 34)
