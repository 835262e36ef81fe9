from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from bench import browser, report
from engine.errors import InputError

T = TypeVar("T")


def in_a_thread(work: Callable[[], T]) -> T:
    """Run in a thread, because the tests of the report may have started Playwright in this one, which allows one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_figures_of_a_small_page() -> None:
    if browser.find() is None:
        pytest.skip(browser.MISSING)
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup installs it")
    record = in_a_thread(lambda: report.run(Path(), runs=2, images=2, size="32x64", rounds=1))
    opening = record["milliseconds_to_open"]
    assert 0 < opening["table"] <= opening["chart"] < 60_000
    assert opening["load"] > 0
    assert 0.3 < record["megabytes"] < 5
    assert record["seconds_to_make"] > 0
    assert "2 scenes of 32x64" in report.table(record)


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt-get install chromium"):
        report.run(Path())


def test_a_page_without_a_table_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = browser.find()
    if path is None:
        pytest.skip(browser.MISSING)
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup installs it")
    monkeypatch.setattr(report, "_LONGEST", 0.5)
    page = tmp_path / "page.html"
    page.write_text("<script>throw new Error('no table today')</script>")

    def opened() -> None:
        with sync_api.sync_playwright() as playwright:
            chromium = browser.launch(playwright, path)
            with pytest.raises(InputError, match="no table today"):
                report._open(chromium, page)
            chromium.close()

    in_a_thread(opened)
