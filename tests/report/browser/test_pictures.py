"""Section "Pictures" in a browser: layers and slider, legend, order, filter, zoom and keys."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.report.conftest import OpenPage, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_SET = "cityscapes, val"


@pytest.fixture
def page(full_page: Path, open_page: OpenPage) -> "Page":
    return open_page(full_page, "#run=fcn8s-00")


@pytest.fixture
def section(page: "Page") -> "Locator":
    """The section, with the first scene shown."""
    found = page.get_by_role("region", name="Pictures", exact=True)
    chooser = found.get_by_role("combobox", name="Pictures of")
    wanted = chooser.locator("option").filter(has_text=_SET)
    chooser.select_option(wanted.get_attribute("value"))
    page.evaluate("document.getElementById('pictures').scrollIntoView()")
    _wait_for_paint(page)
    return found


def test_the_first_scene_is_drawn_before_anyone_scrolls_to_it(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page)
    _wait_for_paint(page)
    assert page.evaluate("scrollY") == 0
    assert page.locator("#pictures-place").inner_text().startswith("1 of ")


def test_worst_scenes_come_first(section: "Locator") -> None:
    assert len(_scores(section)) == 6
    assert _scores(section) == sorted(_scores(section))
    section.get_by_role("combobox", name="Order").select_option("Name")
    names = [text.splitlines()[0] for text in section.get_by_role("option").filter(has_text="000019").all_inner_texts()]
    assert names == sorted(names)


def test_orders_by_a_class(section: "Locator") -> None:
    before = _names(section)
    section.get_by_role("combobox", name="Order").select_option("person")
    assert _scores(section) == sorted(_scores(section))
    assert sorted(_names(section)) == sorted(before)


def test_filters_by_name(section: "Locator") -> None:
    section.get_by_label("Name contains").fill("lindau")
    assert all("lindau" in name for name in _names(section))
    assert section.get_by_text("3 of 6 scenes").is_visible()
    section.get_by_label("Name contains").fill("nowhere")
    assert section.get_by_text("0 of 6 scenes").is_visible()


def test_slider_wipes_between_two_layers(page: "Page", section: "Locator") -> None:
    slider = section.get_by_role("slider")
    slider.fill("0")
    _wait_for_paint(page)
    right = _pixels(page)
    slider.fill("1000")
    _wait_for_paint(page)
    left = _pixels(page)
    slider.fill("500")
    _wait_for_paint(page)
    half = _pixels(page)
    assert left != right
    assert half not in (left, right)
    assert "50 %" in (slider.get_attribute("aria-valuetext") or "")


def test_slider_moves_by_keys_and_by_dragging(page: "Page", section: "Locator") -> None:
    slider = section.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.input_value() == "0"
    stage = section.get_by_role("group", name="Picture")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert 700 <= int(slider.input_value()) <= 800


def test_every_layer_can_be_shown(page: "Page", section: "Locator") -> None:
    for layer in ("image", "ground truth", "prediction", "prediction over the image", "errors"):
        section.get_by_role("combobox", name="Right").select_option(layer)
        _wait_for_paint(page)
        assert f"Right: {layer} of" in (section.get_by_role("img").first.get_attribute("aria-label") or "")
        assert len(set(_pixels(page))) > 2


def test_legend_highlights_a_class(page: "Page", section: "Locator") -> None:
    before = _pixels(page)
    button = section.get_by_role("button", name="road")
    button.click()
    _wait_for_paint(page)
    assert button.get_attribute("aria-pressed") == "true"
    highlighted = _pixels(page)
    assert highlighted != before
    assert _coloured(highlighted) < _coloured(before)
    button.click()
    _wait_for_paint(page)
    assert button.get_attribute("aria-pressed") == "false"
    assert _pixels(page) == before


def test_legend_has_the_scores_of_the_scene(section: "Locator") -> None:
    text = section.get_by_role("button", name="road").inner_text()
    numbers = [float(part) for part in text.replace("%", " ").split() if part.replace(".", "", 1).isdigit()]
    assert len(numbers) == 2
    assert all(0 < number < 100 for number in numbers)


def test_zooms_by_buttons_keys_and_wheel(page: "Page", section: "Locator") -> None:
    before = _pixels(page)
    section.get_by_role("button", name="Zoom in").click()
    assert section.get_by_text("200 %").is_visible()
    _wait_for_paint(page)
    assert _pixels(page) != before
    section.get_by_role("button", name="Show the whole picture").click()
    assert section.get_by_text("100 %", exact=True).is_visible()
    stage = section.get_by_role("group", name="Picture")
    stage.focus()
    page.keyboard.press("+")
    assert section.get_by_text("150 %").is_visible()
    moved = _pixels(page)
    page.keyboard.press("ArrowRight")
    _wait_for_paint(page)
    assert _pixels(page) != moved
    page.keyboard.press("0")
    assert section.get_by_text("100 %", exact=True).is_visible()
    stage.hover()
    page.mouse.wheel(0, -300)
    assert not section.get_by_text("100 %", exact=True).is_visible()


def test_the_wheel_scrolls_the_page_over_a_picture_without_focus(page: "Page", section: "Locator") -> None:
    top = page.evaluate("scrollY")
    section.get_by_role("group", name="Picture").hover()
    page.mouse.wheel(0, 200)
    wait_until(page, f"scrollY !== {top}")
    assert section.get_by_text("100 %", exact=True).count() == 1


def test_next_and_previous_scene(page: "Page", section: "Locator") -> None:
    first, second = _names(section)[:2]
    heading = section.get_by_role("heading", level=3).first
    assert heading.inner_text().endswith(first)
    section.get_by_role("button", name="Next scene").click()
    assert heading.inner_text().endswith(second)
    section.get_by_role("group", name="Picture").focus()
    page.keyboard.press("p")
    assert heading.inner_text().endswith(first)
    page.keyboard.press("n")
    assert heading.inner_text().endswith(second)


def test_scenes_are_chosen_by_keyboard(page: "Page", section: "Locator") -> None:
    names = _names(section)
    section.get_by_role("listbox").focus()
    page.keyboard.press("End")
    assert section.get_by_role("heading", level=3).first.inner_text().endswith(names[-1])
    page.keyboard.press("ArrowLeft")
    assert section.get_by_role("heading", level=3).first.inner_text().endswith(names[-2])


def test_a_second_result_is_compared(page: "Page", section: "Locator") -> None:
    chooser = section.get_by_role("combobox", name="Result B")
    chooser.select_option(chooser.locator("option").filter(has_text="unet-01").get_attribute("value"))
    _wait_for_paint(page)
    label = section.get_by_role("img").first.get_attribute("aria-label") or ""
    assert "unet-01" in label
    assert "fcn8s-00" in label
    assert section.get_by_role("combobox", name="Order").locator("option").filter(has_text="Where B").count() == 2


def test_the_chosen_run_is_shown(page: "Page", section: "Locator") -> None:
    page.evaluate("chosen.choose('unet-01')")
    assert "unet-01" in section.get_by_role("combobox", name="Result A").locator("option:checked").inner_text()


def test_images_without_ground_truth_are_shown(page: "Page", section: "Locator") -> None:
    chooser = section.get_by_role("combobox", name="Pictures of")
    for option in chooser.locator("option").all():
        if "val" not in option.inner_text():
            chooser.select_option(option.get_attribute("value"))
            _wait_for_paint(page)
            assert section.get_by_text("There is no ground truth").is_visible()
            assert "errors" not in section.get_by_role("combobox", name="Right").locator("option").all_inner_texts()


def test_pixels_name_their_classes(section: "Locator") -> None:
    section.get_by_role("group", name="Picture").hover()
    section.get_by_text("truth: ").wait_for()
    assert section.get_by_text("predicted: ").is_visible()


def _names(section: "Locator") -> list[str]:
    options = section.get_by_role("listbox").get_by_role("option")
    return [text.splitlines()[0] for text in options.all_inner_texts()]


def _scores(section: "Locator") -> list[float]:
    options = section.get_by_role("listbox").get_by_role("option")
    texts = [text.splitlines()[-1] for text in options.all_inner_texts()]
    return [1e9 if text == "-" else float(text) for text in texts]


def _wait_for_paint(page: "Page") -> None:
    """Wait until the picture is decoded and drawn."""
    page.evaluate("picturesRepaint().then(() => new Promise(done => setTimeout(done, 60)))")


def _pixels(page: "Page") -> list[tuple[int, int, int]]:
    """Colours of a grid of pixels of the picture, without the divider and the names of the layers."""
    shot = Image.open(io.BytesIO(page.locator("#pictures-canvas").screenshot(animations="disabled")))
    picture = np.asarray(shot.convert("RGB"))
    height, width = picture.shape[:2]
    rows, columns = np.linspace(0.3, 0.95, 20) * height, np.linspace(0.02, 0.98, 48) * width
    return [tuple(color) for color in picture[np.ix_(rows.astype(int), columns.astype(int))].reshape(-1, 3).tolist()]


def _coloured(pixels: list[tuple[int, int, int]]) -> int:
    """Number of pixels that are not grey."""
    return sum(max(pixel) - min(pixel) > 8 for pixel in pixels)
