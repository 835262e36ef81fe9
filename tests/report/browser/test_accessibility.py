"""axe-core finds nothing, in light and dark and on a phone; and nothing that a file holds becomes markup."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.report import drawn_hostile
from tests.report.browser.conftest import show_everything
from tests.report.conftest import OpenPage, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

_PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


_DARK = ["color-contrast", "link-in-text-block"]
"""Rules that depend on the colours."""
_NARROW = ["scrollable-region-focusable", "target-size", "meta-viewport", "nested-interactive"]
"""Rules that depend on the width of the window."""


@pytest.mark.parametrize(
    ("options", "rules"),
    [({"color_scheme": "light"}, None), ({"color_scheme": "dark"}, _DARK), (_PHONE, _NARROW)],
    ids=["light", "dark", "phone"],
)
def test_axe_finds_nothing(
    full_page: Path, open_page: OpenPage, options: Mapping[str, Any], rules: Sequence[str] | None
) -> None:
    page = open_page(full_page, "#run=fcn8s-00", **options)
    page.get_by_role("combobox", name="Compare with").select_option(label="unet-01")
    show_everything(page, with_details=rules is None)
    assert _violations(page, rules) == []


def test_axe_finds_nothing_in_damaged_and_hostile_runs(hostile_page: Path, open_page: OpenPage) -> None:
    page = open_page(hostile_page)
    show_everything(page, with_details=False)
    assert _violations(page) == []


def test_axe_finds_nothing_in_an_empty_page(empty_page: Path, open_page: OpenPage) -> None:
    assert _violations(open_page(empty_page)) == []


def test_hostile_values_stay_text(hostile_page: Path, open_page: OpenPage) -> None:
    page = open_page(hostile_page)
    show_everything(page)
    texts = ""
    for name in page.evaluate("DATA.overview.runs.map(run => run.name)"):
        page.evaluate("name => chosen.choose(name)", name)
        page.locator("#run details:not([open]) > summary").evaluate_all("all => all.forEach(one => one.click())")
        texts += page.evaluate("document.querySelector('main').innerText")
    assert page.evaluate(f"window.{drawn_hostile.MARK}") is None
    assert page.locator("img, iframe, object, embed, main script, [onload], [onerror], [onclick]").count() == 0
    for text in (*drawn_hostile.RUN_NAMES[:2], drawn_hostile.VALUES[0], drawn_hostile.CLASS_NAME, "{{ 7*7 }}"):
        assert text in texts


def test_hostile_runs_are_opened_by_their_names(hostile_page: Path, open_page: OpenPage) -> None:
    page = open_page(hostile_page)
    for name in drawn_hostile.RUN_NAMES[:-1]:
        shown = name.strip()
        page.get_by_role("table", name="Runs.").get_by_role("link", name=shown, exact=True).click()
        wait_until(page, "document.activeElement.textContent.trim() === 'One run'")
        assert page.evaluate("chosen.run").strip() == shown
        page.evaluate("document.activeElement.blur()")
    page.reload()
    assert page.evaluate("chosen.run").strip() == shown


def test_damaged_runs_are_shown_as_such(hostile_page: Path, open_page: OpenPage) -> None:
    page = open_page(hostile_page)
    page.get_by_text("not shown, or only in part").first.click()
    assert page.get_by_role("listitem").filter(has_text="history.jsonl").count() >= 1
    assert page.get_by_role("listitem").filter(has_text="scores.json").count() >= 2
    page.get_by_role("combobox", name="Status").select_option("damaged")
    assert page.get_by_role("table", name="Runs.").get_by_role("link", name="damaged", exact=True).is_visible()


def test_a_hostile_phone_page_is_not_wider(hostile_page: Path, open_page: OpenPage) -> None:
    page = open_page(hostile_page, **_PHONE)
    show_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def _violations(page: "Page", rules: Sequence[str] | None = None) -> list[str]:
    """Rules of axe-core that the page violates, of all or of some, each with its first elements."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    options = {"resultTypes": ["violations"], **({} if rules is None else {"runOnly": rules})}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes'][:3]]}" for rule in found]
