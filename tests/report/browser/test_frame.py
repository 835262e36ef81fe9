"""The frame of the page in a browser: theme, navigation, address, keyboard, phone and print."""

from itertools import pairwise
from pathlib import Path

from tests.report.browser.conftest import show_everything
from tests.report.conftest import OpenPage, wait_until

TITLES = ["Overview", "One run", "Pictures", "Comparison", "Submission and agreement"]
_PAPER = "getComputedStyle(document.body).backgroundColor"


def test_sections_are_in_order(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page)
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == TITLES
    assert page.get_by_role("heading", level=2).all_inner_texts() == TITLES
    assert page.get_by_role("heading", level=1).count() == 1


def test_headings_never_skip_a_level(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page)
    shown = "all => all.filter(heading => heading.checkVisibility()).map(heading => Number(heading.tagName[1]))"
    levels = page.eval_on_selector_all("h1, h2, h3, h4", shown)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_navigation_goes_to_a_section_and_marks_it(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page)
    link = page.get_by_role("navigation").get_by_role("link", name="Comparison")
    link.click()
    wait_until(page, "document.querySelector('nav [aria-current]').textContent === 'Comparison'")
    top = page.get_by_role("heading", name="Comparison", level=2).bounding_box()
    assert top is not None
    assert 0 <= top["y"] < 450


def test_theme_button_overrides_the_theme_of_the_system(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, color_scheme="dark")
    button = page.get_by_role("button", name="Theme")
    papers = [page.evaluate(_PAPER)]
    for _ in range(3):
        button.click()
        papers.append(page.evaluate(_PAPER))
    system, light, dark, again = papers
    assert system == dark == again
    assert light != dark


def test_theme_stays_after_a_reload(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, color_scheme="light")
    for _ in range(2):
        page.get_by_role("button", name="Theme").click()
    dark = page.evaluate(_PAPER)
    page.reload()
    assert page.evaluate(_PAPER) == dark
    assert page.get_by_role("button", name="Theme").inner_text() == "Theme: dark"


def test_address_names_the_run(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, "#run=unet-01")
    assert page.evaluate("chosen.run") == "unet-01"
    page.evaluate("location.hash = '#run=fcn8s-00'")
    wait_until(page, "chosen.run === 'fcn8s-00'")


def test_a_wrong_address_shows_the_page(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, "#run=no-such-run")
    assert page.evaluate("chosen.known(chosen.run)")
    for anchor in ("#run=%", "#run=%3Cscript%3E", "#no-such-section", "#run="):
        page.evaluate("anchor => { location.hash = anchor; }", anchor)
        assert page.evaluate("chosen.known(chosen.run)")


def test_keyboard_reaches_the_content_first(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_focus_is_visible_on_every_control(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page)
    invisible = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const style = getComputedStyle(document.activeElement);
                const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
                return shown || document.activeElement.matches('.skip') ? null : document.activeElement.outerHTML;
            }"""
        )
        invisible += [found[:200]] if found else []
    assert invisible == []


def test_nothing_is_wider_than_a_phone(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    show_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_prints_every_section_without_controls(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, color_scheme="dark")
    content = page.pdf(format="A4")
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page") > len(TITLES)
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light only"


def test_tables_are_there_without_javascript(full_page: Path, open_page: OpenPage) -> None:
    page = open_page(full_page, java_script_enabled=False)
    assert page.get_by_role("rowheader", name="unet-01").first.is_visible()


def test_a_page_without_runs_says_so(empty_page: Path, open_page: OpenPage) -> None:
    page = open_page(empty_page)
    assert page.get_by_role("heading", level=2).all_inner_texts() == TITLES
    assert "no runs" in page.locator("#overview").inner_text().lower()
