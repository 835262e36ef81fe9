"""Pages that the tests of the browser share. Tests must not change them."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from report import command
from tests.report.drawn_runs import Options, draw

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def make(folder: Path, options: Options | None) -> Path:
    """Draw runs into a folder, and make their page with the command."""
    page = folder / "report.html"
    if options is None:
        (folder / "saved").mkdir()
        folders = [folder / "saved"]
    else:
        folders = draw(folder, options).folders
    assert command.main([*map(str, folders), "--output", str(page), "--workers", "1"]) == 0
    return page


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of runs of several benchmarks and tasks; one is unfinished."""
    options = Options(runs=4, images=6, tasks=True, camvid=True, unfinished=True)
    return make(tmp_path_factory.mktemp("full"), options)


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of damaged files, and of names and values that are markup and scripts."""
    return make(tmp_path_factory.mktemp("hostile"), Options(runs=1, images=2, pictured=1, damaged=True, hostile=True))


@pytest.fixture(scope="session")
def empty_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a folder without runs."""
    return make(tmp_path_factory.mktemp("empty"), None)


def show_everything(page: "Page", *, with_details: bool = True) -> None:
    """Open all details and scroll through a page, so that everything that waits to be seen is drawn."""
    if with_details:
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 700):
        page.evaluate(f"scrollTo({{top: {top}, behavior: 'instant'}})")
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 20)))")


def column(table: "Locator", heading: str) -> list[str]:
    """Texts of the column of a table below a heading, which may be the first line of a longer one."""
    headings = table.locator("thead tr").last.locator("th, td").all_inner_texts()
    place = next(number for number, text in enumerate(headings) if text.strip().splitlines()[0] == heading)
    found: list[str] = table.locator("tbody").evaluate_all(
        "(bodies, place) => bodies.flatMap(body => [...body.rows].filter(row => row.checkVisibility())"
        ".map(row => row.cells[place].innerText.trim()))",
        place,
    )
    return found


def hover_point(chart: "Locator", right: float, down: float) -> str:
    """Move the pointer to a place in a chart, from 0 to 1, and return the text that appears."""
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    chart.page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])
    tip = chart.locator("g[aria-label='tip']")
    tip.locator("text").first.wait_for()
    return tip.text_content() or ""
