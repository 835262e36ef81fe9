"""Table of runs and chart of accuracy and latency in a browser, with chosen figures."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from report import page
from report.pictures.collect import collect
from report.records import Report
from tests.report.conftest import OpenPage, wait_until
from tests.report.drawn_report import network_profile, published, report, result, run, scores, stages

if TYPE_CHECKING:
    from playwright.sync_api import Page

_CHART = "#overview-plot svg"


def write(path: Path, of: Report) -> Path:
    path.write_text(page.render(of, collect(of, most=0, max_bytes=1000, workers=1), "Runs"))
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs: two on one device, one on another, and one of another task without a latency."""
    unet = {"network": "unet", "benchmark": "cityscapes"}
    runs = (
        run("slow", result("slow/val", scores({"IoU": 0.7, "iIoU": 0.5}, interval=(0.6, 0.8)), profile=stages(90.0))),
        run("fast", result("fast/val", scores({"IoU": 0.6}), profile=stages(9.5)), config=unet),
        run("other", result("other/val", scores({"IoU": 0.65})), profiles=(network_profile("fcn8s", 20.0, "GPU B"),)),
        run("things", result("things/val", scores({"PQ": 0.4, "SQ": 0.8}, task="panoptic")), status="unfinished"),
    )
    some = (published("paper", 0.653), published("other split", 0.6, split="test"))
    return write(tmp_path_factory.mktemp("overview") / "report.html", report(*runs, published=some))


def names(page: "Page") -> list[str]:
    """Names of the runs in the table, in its order, without those that are hidden."""
    return page.locator("#overview-runs tbody tr:visible th").locator("a").all_inner_texts()


def column(page: "Page", name: str) -> str | None:
    return page.locator(f"#overview-runs th[data-key='{name}']").get_attribute("aria-sort")


def test_numbers_sort_as_numbers_and_missing_ones_stay_last(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    latency = page.locator("#overview-runs").get_by_role("button", name="Latency (ms)")
    assert column(page, "latency") is None
    latency.click()
    assert (names(page), column(page, "latency")) == (["slow", "other", "fast", "things"], "descending")
    latency.press("Enter")
    assert (names(page), column(page, "latency")) == (["fast", "other", "slow", "things"], "ascending")
    assert page.locator("#overview-count").inner_text().endswith("sorted by Latency (ms), ascending")
    page.locator("#overview-runs").get_by_role("button", name="Run", exact=True).click()
    assert (names(page), column(page, "latency")) == (["fast", "other", "slow", "things"], None)


def test_averages_that_no_shown_run_has_are_hidden(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    headings = page.locator("#overview-runs thead tr").last.locator("th:visible")
    group = page.locator("#overview-runs th[data-group='Scored result (%)'].group")
    everything, columns = headings.count(), int(group.get_attribute("colspan") or 0)
    page.get_by_label("Status").select_option("unfinished")
    assert names(page) == ["things"]
    assert headings.count() == everything - 1
    assert int(group.get_attribute("colspan") or 0) == columns - 1
    page.get_by_role("button", name="Clear").click()
    wait_until(page, "document.querySelectorAll('#overview-runs tbody tr:not([hidden])').length === 4")
    assert headings.count() == everything


def test_text_filters_every_column_by_every_word(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    page.get_by_label("Filter").fill("FCN8S gpu")
    assert names(page) == ["other"]
    assert page.locator("#overview-count").inner_text() == "1 of 4 runs and 0 of 2 published results"
    page.get_by_label("Filter").fill("nothing like this")
    assert names(page) == []


def test_chart_shows_one_device_at_a_time(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    chart = page.locator("#overview-plot")
    page.locator(_CHART).scroll_into_view_if_needed()
    assert (
        chart.get_attribute("aria-label")
        == "Accuracy against latency on CPU A, 2048x1024. slow: 70.0 % at 90.0 ms; fast: 60.0 % at 9.5 ms"
    )
    note = page.locator("#overview-plot-note")
    assert "1 run measured only on another device or image size" in note.inner_text()
    assert "1 published score without a latency on this device" in note.inner_text()
    page.get_by_role("combobox", name="Latency on").select_option("GPU B, 2048x1024")
    assert chart.get_attribute("aria-label") == (
        "Accuracy against latency on GPU B, 2048x1024. other: 65.0 % at 20.0 ms"
    )


def test_chart_without_a_latency_says_so(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    page.get_by_label("Score of").select_option("cityscapes, val, panoptic, PQ")
    assert "Nothing to draw" in page.locator("#overview-plot-note").inner_text()
    assert not page.locator("#overview-plot").is_visible()
    assert not page.locator("#overview-condition").is_visible()


def test_chart_leaves_out_filtered_runs(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    page.locator(_CHART).scroll_into_view_if_needed()
    page.get_by_label("Network").select_option("unet")
    label = page.locator("#overview-plot").get_attribute("aria-label")
    assert label == "Accuracy against latency on CPU A, 2048x1024. fast: 60.0 % at 9.5 ms"
    assert page.locator("#overview-legend").inner_text().split("\n")[0] == "unet"


def test_click_on_a_point_opens_its_run(drawn: Path, open_page: OpenPage) -> None:
    page = open_page(drawn)
    page.locator(_CHART).scroll_into_view_if_needed()
    point = page.locator(f"{_CHART} [aria-label=dot] path").nth(1).bounding_box()
    assert point is not None
    place = (point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.mouse.move(*place)
    page.locator(f"{_CHART} [aria-label=tip]", has_text="fast").wait_for()
    page.mouse.click(*place)
    wait_until(page, "chosen.run === 'fast'")
    assert page.evaluate("document.activeElement.id") == "run-title"
    assert page.locator("#overview-runs tr[aria-current=true]").get_attribute("data-run") == "fast"


def test_scores_of_other_images_are_not_drawn_beside_published_ones(tmp_path: Path, open_page: OpenPage) -> None:
    partial = replace(scores({"IoU": 0.7}), official=False, coverage="12 scenes of val, not the official 500")
    of = report(run("part", result("part/val", partial, profile=stages(90.0))), published=(published("paper", 0.6),))
    page = open_page(write(tmp_path / "report.html", of))
    note = page.locator("#overview-plot-note").inner_text()
    assert "not of the official set of images: do not compare them with published ones" in note
    assert "published" not in page.locator("#overview-legend").inner_text()


def test_published_latencies_are_shown_apart(tmp_path: Path, open_page: OpenPage) -> None:
    of = report(
        run("ours", result("ours/val", scores({"IoU": 0.7}), profile=stages(90.0))),
        published=(published("theirs", 0.6, latency_ms=11.0, device="GPU C"),),
    )
    page = open_page(write(tmp_path / "report.html", of))
    page.locator(_CHART).scroll_into_view_if_needed()
    assert "theirs" not in (page.locator("#overview-plot").get_attribute("aria-label") or "")
    page.get_by_role("combobox", name="Latency on").select_option("GPU C, as published")
    assert page.locator("#overview-legend").inner_text() == "published"
    note = page.locator("#overview-plot-note").inner_text()
    assert note.startswith(
        "Latencies on GPU C, as published, by the protocols of their sources. No run was measured there."
    )
