"""Section "Overview" in a browser: sort, filter, choose a run, and the chart of accuracy and latency."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.files.documents import read_json
from tests.report.browser.conftest import column
from tests.report.conftest import OpenPage, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RUNS = 4 + 2 + 1
"""Trainings of the page: on Cityscapes, on CamVid, and an unfinished one."""

_WRONGLY_SORTED = """() => {
    const table = document.querySelector('#overview-runs');
    const wrong = [];
    for (const heading of table.querySelectorAll('th[data-sort]')) {
        const cells = () => [...table.tBodies[0].rows].map(row => row.cells[heading.cellIndex].dataset.value);
        const number = heading.dataset.sort === 'number';
        const compare = (a, b) => number ? a - b : a.localeCompare(b, undefined, {numeric: true, sensitivity: 'base'});
        for (let click = 0; click < 2; click++) {
            heading.querySelector('button').click();
            const direction = heading.getAttribute('aria-sort');
            const known = cells().filter(value => value !== '-' && value !== '');
            const missing = cells().slice(known.length).every(value => value === '-' || value === '');
            const sign = direction === 'ascending' ? 1 : -1;
            const ordered = known.every((value, at) => at === 0 || sign * compare(known[at - 1], value) <= 0);
            if (!ordered || !missing) wrong.push(`${heading.innerText} ${direction}: ${cells()}`);
        }
    }
    return wrong;
}"""
"""Script that sorts by every column, twice, and returns those whose rows are not in order then."""


@pytest.fixture
def page(full_page: Path, open_page: OpenPage) -> "Page":
    return open_page(full_page)


@pytest.fixture
def table(page: "Page") -> "Locator":
    return page.get_by_role("table", name="Runs.")


def test_every_run_is_a_row(page: "Page", table: "Locator") -> None:
    names = [text.splitlines()[0] for text in column(table, "Run")]
    assert len(set(names)) == len(names) >= RUNS
    assert {"fcn8s-00", "unet-01", "camvid-unet", "unfinished"} <= set(names)
    assert page.get_by_text(f"{len(names)} of {len(names)} runs").is_visible()


def test_every_column_sorts_in_both_directions(page: "Page", table: "Locator") -> None:
    wrong = page.evaluate(_WRONGLY_SORTED)
    assert wrong == []
    assert table.locator("th[data-sort]").count() >= 15


def test_sorts_by_keyboard_and_says_so(page: "Page", table: "Locator") -> None:
    heading = table.locator("th[data-sort]").first
    heading.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    first = column(table, "Run")
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(table, "Run") == first[::-1]
    assert page.get_by_text("sorted by Run, descending").is_visible()


def test_filters_by_text_and_by_values(page: "Page", table: "Locator") -> None:
    page.get_by_role("searchbox", name="Filter").fill("camvid unet")
    assert [text.splitlines()[0] for text in column(table, "Run")] == ["camvid-unet"]
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("combobox", name="Data set").select_option("camvid")
    assert len(column(table, "Run")) == 2
    page.get_by_role("combobox", name="Network").select_option("unet")
    assert len(column(table, "Run")) == 1
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("combobox", name="Status").select_option("unfinished")
    assert "unfinished" in [text.splitlines()[0] for text in column(table, "Run")]
    page.get_by_role("searchbox", name="Filter").fill("no such run")
    assert column(table, "Run") == []
    page.get_by_role("button", name="Clear").click()
    wait_until(page, f"document.querySelectorAll('#overview-runs tbody tr:not([hidden])').length >= {RUNS}")


def test_a_name_opens_the_run(page: "Page", table: "Locator") -> None:
    table.get_by_role("link", name="unet-01", exact=True).click()
    wait_until(page, "document.activeElement.textContent.trim() === 'One run'")
    chooser = page.get_by_role("combobox", name="Run", exact=True)
    assert chooser.locator("option:checked").inner_text() == "unet-01"
    assert table.locator("tr[aria-current]").get_attribute("data-run") == "unet-01"


def test_scores_are_those_of_the_result_files(full_page: Path, table: "Locator") -> None:
    scores = read_json(full_page.parent / "outputs" / "fcn8s-00" / "val" / "scores.json")
    row = table.locator("tr[data-run='fcn8s-00']").inner_text()
    for name in ("Classes", "InstClasses", "Categories", "InstCategories"):
        assert f"{100 * scores[f'averageScore{name}']:.1f}" in row


def test_columns_are_explained(page: "Page") -> None:
    page.get_by_text("Explanation of the columns").click()
    assert page.locator("#overview dt").count() >= 15


def test_published_results_have_source_and_protocol(page: "Page") -> None:
    table = page.get_by_role("table", name="Published results")
    assert all(text not in {"", "-"} for text in column(table, "Source"))
    assert any(len(text) > 10 for text in column(table, "Protocol"))
    links = table.get_by_role("link").evaluate_all("all => all.map(link => link.href)")
    assert links
    assert all(link.startswith("https://") for link in links)


def test_the_chart_shows_accuracy_against_latency(page: "Page") -> None:
    page.get_by_role("heading", name="Accuracy and latency").scroll_into_view_if_needed()
    chart = page.get_by_role("img", name="Accuracy against latency")
    chart.wait_for()
    dots = chart.locator("g[aria-label='dot'] > *")
    assert dots.count() >= 2
    dots.first.hover(force=True)
    tip = chart.locator("g[aria-label='tip'] text").first
    tip.wait_for()
    assert "ms on" in (tip.text_content() or "")


def test_the_chart_follows_the_filter(page: "Page") -> None:
    page.get_by_role("heading", name="Accuracy and latency").scroll_into_view_if_needed()
    chart = page.get_by_role("img", name="Accuracy against latency")
    chart.wait_for()
    before = chart.get_attribute("aria-label") or ""
    page.get_by_role("searchbox", name="Filter").fill("unet-01")
    label = "document.querySelector('#overview-plot svg')?.getAttribute('aria-label')"
    wait_until(page, f"before => {label} !== before", before)
    assert "fcn8s-00" not in (chart.get_attribute("aria-label") or "")
