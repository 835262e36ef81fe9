"""Section "One run" in a browser: choosers, curves, scores by class, confusion, profile, roofline, configuration."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.browser.conftest import column, hover_point
from tests.report.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

STAGES = ["decode", "transfer", "forward", "fetch", "encode", "total"]


@pytest.fixture
def page(full_page: Path, open_page: OpenPage) -> "Page":
    return open_page(full_page, "#run=fcn8s-00")


@pytest.fixture
def section(page: "Page") -> "Locator":
    return page.get_by_role("region", name="One run", exact=True)


def _chart(section: "Locator", heading: str, name: str) -> "Locator":
    """A chart, which is drawn when the part below its heading comes into view."""
    section.get_by_role("heading", name=heading).scroll_into_view_if_needed()
    section.page.evaluate("scrollBy(0, 300)")
    chart = section.get_by_role("img", name=name).first
    chart.scroll_into_view_if_needed()
    return chart


def test_switches_run(page: "Page", section: "Locator") -> None:
    assert section.get_by_role("combobox", name="Run", exact=True).locator("option:checked").inner_text() == "fcn8s-00"
    section.get_by_role("combobox", name="Run", exact=True).select_option("unet-01")
    facts = section.get_by_role("table", name="The run")
    assert facts.get_by_role("columnheader", name="unet-01").is_visible()
    assert page.evaluate("chosen.run") == "unet-01"
    assert page.evaluate("location.hash") == "#run=unet-01"


def test_another_run_is_compared(section: "Locator") -> None:
    section.get_by_role("combobox", name="Compare with").select_option("unet-01")
    verdict = section.get_by_text("is better by").inner_text()
    assert verdict.startswith("unet-01 is better by ")
    assert verdict.endswith(": more than chance. Comparison by class")
    averages = section.get_by_role("table", name="Averages in percent")
    assert averages.get_by_role("columnheader").all_inner_texts()[-2:] == ["unet-01", "difference"]
    first, second, difference = (
        [float(text.replace("\u2212", "-")) for text in column(averages, heading)]
        for heading in ("fcn8s-00", "unet-01", "difference")
    )
    assert len(first) == 4
    for one, other, written in zip(first, second, difference, strict=True):
        assert written == pytest.approx(one - other, abs=0.15)


def test_a_published_result_is_compared(section: "Locator") -> None:
    chooser = section.get_by_role("combobox", name="Compare with")
    published = chooser.locator("optgroup[label='Published results'] option")
    chooser.select_option(published.first.get_attribute("value"))
    assert section.get_by_text("Source:").is_visible()
    averages = section.get_by_role("table", name="Averages in percent")
    assert averages.get_by_role("columnheader").all_inner_texts()[-1] == "difference"


def test_curves_show_their_values_below_the_pointer(section: "Locator") -> None:
    chart = _chart(section, "Training curves", "mIoU (%) over epochs")
    assert chart.locator("path[marker-start], g[aria-label='line'] path").count() >= 2
    tip = hover_point(chart, 0.5, 0.5)
    assert "epoch" in tip
    assert "validation:" in tip
    assert "training:" in tip


def test_all_metrics_have_curves(section: "Locator") -> None:
    for name in ("loss", "mIoU", "mean Dice", "pixel accuracy", "learning rate"):
        chart = section.get_by_role("img", name=name).first
        chart.scroll_into_view_if_needed()
        assert chart.is_visible()


def test_a_single_value_has_a_short_tick(page: "Page") -> None:
    ticks = page.evaluate("[84.318736, 0.00001594, 0.0005, 0, 20, 1.205].map(runTick)")
    assert ticks == ["84.319", "1.594e-5", "0.0005", "0", "20", "1.205"]


def test_curves_of_both_runs_are_told_apart_without_colour(section: "Locator") -> None:
    section.get_by_role("combobox", name="Compare with").select_option("unet-01")
    chart = _chart(section, "Training curves", "loss over epochs")
    dashed = chart.locator("[stroke-dasharray='5 4']")
    assert dashed.count() >= 2


def test_curves_are_a_table_too(section: "Locator") -> None:
    section.get_by_text("Curves as a table").click()
    table = section.get_by_role("table", name="Curves of fcn8s-00")
    assert len(column(table, "validation mIoU (%)")) == 12
    assert column(table, "validation mIoU (%)")[2] == "-"


def test_classes_are_ordered_by_their_score(section: "Locator") -> None:
    section.get_by_role("combobox", name="Order", exact=True).select_option("score")
    section.get_by_text("Scores by class as a table").click()
    table = section.get_by_role("table", name="Scores by class")
    scores = [float(text) for text in column(table, "IoU, fcn8s-00")]
    assert len(scores) == 19
    assert scores == sorted(scores, reverse=True)


def test_bars_of_classes_have_intervals(section: "Locator") -> None:
    chart = _chart(section, "Scores by class", "IoU of 19 classes of fcn8s-00")
    assert chart.locator("g[aria-label='bar'] rect").count() == 19
    assert chart.locator("g[aria-label='rule'] line").count() >= 19


def test_confusion_shows_its_values_below_the_pointer(section: "Locator") -> None:
    chart = _chart(section, "Confusion of classes", "Confusion matrix of fcn8s-00")
    cells = chart.locator("g[aria-label='cell'] rect")
    assert cells.count() >= 19 * 19
    cells.nth(0).hover(force=True)
    tip = chart.locator("g[aria-label='tip']").text_content() or ""
    assert "road" in tip
    assert "%" in tip


def test_rows_of_the_confusion_add_up(section: "Locator") -> None:
    section.get_by_text("Confusion matrix as a table").click()
    table = section.get_by_role("table", name="Confusion of fcn8s-00")
    *shares, _ = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert sum(map(float, shares)) == pytest.approx(100, abs=2)


def test_largest_confusions_are_named(section: "Locator") -> None:
    lines = section.get_by_role("listitem").filter(has_text="are predicted as").all_inner_texts()
    shares = [float(line.split()[0]) for line in lines]
    assert len(shares) == 10
    assert shares == sorted(shares, reverse=True)


def test_stages_are_stacked(section: "Locator") -> None:
    chart = _chart(section, "Speed and memory", "Stages of")
    assert chart.locator("g[aria-label='bar'] rect").count() >= 5
    table = section.get_by_role("table", name="Stages: median")
    assert table.get_by_role("rowheader").all_inner_texts() == [
        "decode",
        "transfer",
        "forward",
        "fetch",
        "encode",
        "total",
    ]


def test_roofline_has_all_networks(section: "Locator") -> None:
    chart = _chart(section, "Roofline", "Roofline plot")
    assert chart.locator("g[aria-label='dot'] > *").count() == 5
    table = section.get_by_role("table", name="Networks in the roofline model")
    assert all(float(share) <= 100 for share in column(table, "% of the ceiling"))


def test_configuration_shows_what_differs(section: "Locator") -> None:
    section.get_by_role("combobox", name="Compare with").select_option("unet-01")
    table = section.get_by_role("table", name="Options of the training")
    names = table.first.get_by_role("rowheader").all_inner_texts()
    assert "network" in names
    assert "batch_size" in names
    assert "optimizer" not in names


@pytest.mark.parametrize(("name", "text"), [("unfinished", "5 of 12"), ("camvid-unet", "camvid")])
def test_other_runs_are_shown(page: "Page", section: "Locator", name: str, text: str) -> None:
    section.get_by_role("combobox", name="Run", exact=True).select_option(name)
    assert text in section.get_by_role("table", name="The run").inner_text()
    assert page.evaluate("chosen.run") == name


def test_results_of_other_tasks_are_shown(section: "Locator") -> None:
    chooser = section.get_by_role("combobox", name="Run", exact=True)
    names = chooser.locator("option").all_inner_texts()
    for name in [name for name in names if "instances" in name or "panoptic" in name or "kitti" in name]:
        chooser.select_option(name)
        averages = section.get_by_role("table", name="Averages in percent").inner_text()
        assert any(figure in averages for figure in ("AP", "PQ", "MaxF"))


def test_keyboard_switches_run(page: "Page", section: "Locator") -> None:
    section.get_by_role("combobox", name="Run", exact=True).focus()
    before = page.evaluate("chosen.run")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("chosen.run") != before
