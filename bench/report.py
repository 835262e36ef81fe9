"""Time to make the page of `python -m report`, its size, and the time that a browser needs to open it."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import browser, race
from engine.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUNS, IMAGES, SIZE = 20, 500, "1024x2048"
_WATCH = """
const shown = {};
const note = (name, selector) => {
  const found = document.querySelector(selector);
  if (!(name in shown) && found && found.getBoundingClientRect().height > 0) shown[name] = performance.now();
};
const look = () => {
  note("table", "#overview-runs tbody tr");
  note("chart", ".chart svg");
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
addEventListener("load", () => document.querySelector(".chart")?.scrollIntoView());
window.shown = shown;
"""
"""Script that notes in each frame whether the table of runs and a chart have a place on the screen.

It scrolls to the first chart after the load event, because charts are drawn when they come into view.
"""
_TIMES = """
[performance.getEntriesByType("navigation")[0].loadEventEnd, window.shown.table, window.shown.chart]
"""
_PROTOCOL = (
    "drawn runs and pictures; the page is made once, in as many processes as there are CPUs, and opened from disk in "
    "headless Chromium at 1280 x 900; milliseconds from the start of opening to the end of the load event, to the "
    "first frame with the table of runs, and to that with the first chart, to which the page is scrolled after the "
    "load event; medians after one opening to warm up"
)
_FOLDERS = ("saved", "outputs", "data")
"""Folders of the drawn runs, which the page is made from."""
_LONGEST = 60.0
"""Longest time in seconds that a page may take to open."""


class Opening(NamedTuple):
    """Milliseconds from the start of opening a page."""

    load: float
    """Milliseconds until all handlers of the load event have ended."""
    table: float
    """Milliseconds until a frame shows the table of runs."""
    chart: float
    """Milliseconds until a frame shows the first chart."""


def run(samples: Path, runs: int = RUNS, images: int = IMAGES, size: str = SIZE, rounds: int = 5) -> dict[str, Any]:
    """Draw runs and predictions, make their page, and open it repeatedly; no real data is needed.

    Raises:
        InputError: if there is no Chromium or Playwright, or if a process or the page fails.
    """
    del samples
    path = browser.find()
    if path is None:
        raise InputError(browser.MISSING)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise InputError("Playwright is not installed; install the development tools: make setup") from error
    with tempfile.TemporaryDirectory() as scratch:
        folder, page = Path(scratch) / "drawn", Path(scratch) / "report.html"
        options = ["--runs", str(runs), "--images", str(images), "--size", size]
        race.stdout_of(["-m", "tests.report.drawn_runs", str(folder), *options])
        begin = time.perf_counter()
        race.stdout_of(["-m", "report", *(str(folder / part) for part in _FOLDERS), "--output", str(page)])
        seconds = time.perf_counter() - begin
        megabytes = page.stat().st_size / 1e6
        with sync_playwright() as playwright:
            chromium = browser.launch(playwright, path)
            opened = [_open(chromium, page) for _ in range(rounds + 1)][1:]
            version = chromium.version
            chromium.close()
    return {
        "what": f"page of {runs} runs with scores, and of {images} scenes of {size} with two predictions each",
        "protocol": _PROTOCOL,
        "browser": f"Chromium {version}",
        "runs": runs,
        "images": images,
        "size": size,
        "rounds": rounds,
        "seconds_to_make": round(seconds, 1),
        "megabytes": round(megabytes, 2),
        "milliseconds_to_open": {
            name: round(statistics.median(getattr(one, name) for one in opened)) for name in Opening._fields
        },
        "slowest_milliseconds": {name: round(max(getattr(one, name) for one in opened)) for name in Opening._fields},
    }


def _open(chromium: "Browser", path: Path) -> Opening:
    """Open a page in a new window, and wait until a chart is shown.

    Raises:
        InputError: if the page has no table or no chart within a minute, or throws an exception.
    """
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.add_init_script(_WATCH)
    page.goto(path.resolve().as_uri(), timeout=1000 * _LONGEST)
    end = time.monotonic() + _LONGEST
    times = page.evaluate(_TIMES)
    while None in times and not failures and time.monotonic() < end:
        page.wait_for_timeout(20)
        times = page.evaluate(_TIMES)
    context.close()
    if None in times or failures:
        raise InputError(f"{path}: the page does not show its table and its first chart; {'; '.join(failures)}")
    return Opening(*times)


def table(record: dict[str, Any]) -> str:
    """The record as text to print."""
    opening, slowest = record["milliseconds_to_open"], record["slowest_milliseconds"]
    ends = {name: f"{opening[name]:6} ms, slowest of {record['rounds']}: {slowest[name]} ms" for name in opening}
    rows = [f"  {name:<6} {end}" for name, end in ends.items()]
    return "\n".join(
        [
            f"{record['what']}, {record['browser']}",
            f"  made in {record['seconds_to_make']:.1f} s, {record['megabytes']:.1f} MB; shown after opening:",
            *rows,
        ]
    )
