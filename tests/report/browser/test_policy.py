"""The Content-Security-Policy of the page, which would hold even if a value were not escaped."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

INJECTED = {
    "script": "<script>window.injected = 1</script>",
    "script in another document": "<iframe srcdoc='<script>parent.injected = 1</script>'></iframe>",
    "script of a file": "<script src='data:text/javascript,window.injected=1'></script>",
    "handler": "<img src='data:,' onerror='window.injected = 1'>",
    "address": "<iframe src='javascript:parent.injected = 1'></iframe>",
    "request": "<img src='http://localhost:9/image'><link rel=stylesheet href='http://localhost:9/style'>",
}


@pytest.mark.parametrize("kind", INJECTED)
def test_an_injected_element_neither_runs_nor_loads(
    chromium: "Browser", empty_page: Path, tmp_path: Path, kind: str
) -> None:
    page = chromium.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    changed = tmp_path / "report.html"
    changed.write_text(empty_page.read_text(encoding="utf-8").replace("<main", f"{INJECTED[kind]}<main"), "utf-8")
    page.goto(changed.as_uri())
    page.wait_for_timeout(200)
    assert page.evaluate("window.injected") is None
    assert any("Content Security Policy" in message for message in refused)
    page.close()
