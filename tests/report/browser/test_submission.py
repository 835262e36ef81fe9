"""Sections "Comparison" and "Submission and agreement" in a browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.browser.conftest import column
from tests.report.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@pytest.fixture
def page(full_page: Path, open_page: OpenPage) -> "Page":
    return open_page(full_page)


@pytest.fixture
def section(page: "Page") -> "Locator":
    return page.get_by_role("region", name="Comparison", exact=True)


@pytest.fixture
def submission(page: "Page") -> "Locator":
    return page.get_by_role("region", name="Submission and agreement", exact=True)


def test_two_results_are_compared(section: "Locator") -> None:
    _choose(section, "fcn8s-00/val", "fcn8s_vgg16-02/val")
    verdict = section.get_by_text("B is better by").first.inner_text()
    assert verdict.endswith("more than chance.")
    table = section.get_by_role("table", name="Scores in percent")
    assert len(column(table, "Class")) == 4 + 19
    figures = zip(column(table, "A"), column(table, "B"), column(table, "B \u2212 A"), strict=True)
    for a, b, difference in figures:
        if "-" not in (a, b, difference):
            assert float(difference.replace("\u2212", "-")) == pytest.approx(float(b) - float(a), abs=0.11)


def test_only_results_of_one_task_are_compared(section: "Locator") -> None:
    options = section.get_by_role("combobox", name="Result A").locator("option")
    panoptic = options.filter(has_text="panoptic").first
    section.get_by_role("combobox", name="Result A").select_option(panoptic.get_attribute("value"))
    assert "panoptic" in section.get_by_role("combobox", name="Result B").locator("option:checked").inner_text()
    assert "PQ" in section.get_by_role("status").first.inner_text()


def test_all_results_are_listed_best_first(section: "Locator") -> None:
    table = section.get_by_role("table", name="Best first").first
    scores = [float(text) for text in table.locator("tbody tr td:nth-of-type(1)").all_inner_texts()]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)


def test_the_archive_is_shown_with_its_check(submission: "Locator") -> None:
    archive = submission.get_by_role("article").first
    text = archive.inner_text()
    assert "submission.zip" in text
    assert "not the official test set" in text.lower()
    assert any(len(word) == 64 for word in text.split())
    for term in ("Size", "Checked", "Faults", "Commit"):
        assert archive.get_by_text(term, exact=True).first.is_visible()


def test_agreement_is_shown_by_label_and_image(submission: "Locator") -> None:
    labels = submission.get_by_role("table", name="Pixels of each label")
    assert len(column(labels, "Label")) > 19
    labels.get_by_role("button", name="Differing", exact=True).click()
    numbers = [int(text.replace(",", "")) for text in column(labels, "Differing")]
    assert numbers == sorted(numbers, reverse=True)
    assert submission.get_by_text("Images that differ").first.is_visible()


def _choose(section: "Locator", first: str, second: str) -> None:
    for letter, key in (("A", first), ("B", second)):
        chooser = section.get_by_role("combobox", name=f"Result {letter}")
        chooser.select_option(label=key)
