"""Chromium for tests of the page: it must be installed, for example as Debian's package `chromium`."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OpenPage = Callable[..., "Page"]
"""Type of the fixture `open_page`."""

_OWN = ("file:", "data:", "blob:")
"""Schemes of requests that stay on this machine; a file may only be the page itself."""
_TIMEOUT = 5_000
"""Longest time in milliseconds that an element may take to appear, on a slow and busy machine."""


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """Headless Chromium, which all tests share."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup installs it")
    path = browser.find()
    if path is None:
        pytest.skip(browser.MISSING)
    with sync_api.sync_playwright() as playwright:
        found = browser.launch(playwright, path)
        yield found
        found.close()


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator[OpenPage]:
    """Function that opens a page from disk in a window of its own: `open_page(path, hash="#run", **context options)`.

    The test fails at its end if a page logged an error, threw an exception, or requested anything but itself.
    """
    problems: list[str] = []
    contexts = []

    def open_it(path: Path, anchor: str = "", **options: Any) -> "Page":
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(_TIMEOUT)
        page = context.new_page()
        watch(page, path, problems)
        page.goto(path.resolve().as_uri() + anchor)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert problems == []


def watch(page: "Page", path: Path, problems: list[str]) -> None:
    """Add a line to `problems` for every error of a page, and for every request but those for the page itself."""
    address = path.resolve().as_uri()

    def requested(url: str) -> None:
        if not url.startswith(_OWN) or (url.startswith("file:") and url.partition("#")[0] != address):
            problems.append(f"request: {url[:200]}")

    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    page.on("request", lambda request: requested(request.url))


def wait_until(page: "Page", condition: str, argument: Any = None) -> None:
    """Wait until an expression is true in a page; Playwright's own function for that needs `eval` in the page."""
    end = time.monotonic() + _TIMEOUT / 1000
    while not page.evaluate(condition, argument):
        assert time.monotonic() < end, f"not true after {_TIMEOUT / 1000} s: {condition}"
        page.wait_for_timeout(20)
