from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cityscapes.scoring import tasks
from report import page
from report.pictures import collect
from report.records import Report, Result, ResultScores, Submission
from tests.report.conftest import OpenPage
from tests.report.drawn_results import CONTENT, STEMS, report_of, scores_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "<img src=x onerror=alert(1)>{{ 7 * 7 }}</script>"
NAMES = ("low", "high", "other images", "equal to high", HOSTILE)


def drawn_scores(folder: Path) -> list[ResultScores]:
    """Scores of five results: the third has other images, the fourth those of the second, the last is panoptic."""
    scores = [
        scores_in(folder / f"{number}.json", "pixel", CONTENT["pixel"](quality, number, stems))
        for number, (quality, stems) in enumerate([(0.6, STEMS), (0.7, STEMS), (0.65, STEMS[:6])])
    ]
    panoptic = scores_in(folder / "panoptic.json", "panoptic", CONTENT["panoptic"](0.6, 5))
    return [*scores, scores[1], panoptic]


def named(report: Report, names: Sequence[str]) -> Report:
    """The report with other names of its runs."""
    runs = [
        replace(run, name=name, results=(replace(run.results[0], key=f"{name}/val"),))
        for run, name in zip(report.runs, names, strict=True)
    ]
    return replace(report, runs=tuple(runs))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the results of `drawn_scores` and an archive."""
    folder = tmp_path_factory.mktemp("comparison")
    report = named(report_of(*drawn_scores(folder)), NAMES)
    checked = Submission(Path("submission.zip"), 9, "0f" * 32, "", "ok", (HOSTILE,), {HOSTILE: HOSTILE}, "faults")
    packed = Result("low/test", Path("low"), "best", "test", "cityscapes", submission=checked)
    first = replace(report.runs[0], results=(*report.runs[0].results, packed))
    report = replace(report, runs=(first, *report.runs[1:]))
    path = folder / "page.html"
    pictures = collect.collect(report, most=0, max_bytes=1, workers=1)
    path.write_text(page.render(report, pictures, "Comparison"), encoding="utf-8")
    return path


@pytest.fixture
def opened(drawn: Path, open_page: OpenPage) -> "Page":
    return open_page(drawn, "#comparison")


def choose(opened: "Page", a: str, b: str) -> None:
    for side, name in (("b", b), ("a", a)):
        opened.select_option(f"#comparison-{side}", label=f"{name}/val")


def verdict(opened: "Page") -> str:
    return opened.inner_text("#comparison-verdict .verdict")


def rows(opened: "Page", body: str = "classes") -> list[list[str]]:
    found: list[list[str]] = opened.eval_on_selector(
        f"#comparison-{body}", "body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def test_the_verdict_has_the_numbers_of_the_command(opened: "Page", drawn: Path) -> None:
    choose(opened, "low", "high")
    compared = tasks.compare(drawn.parent / "0.json", drawn.parent / "1.json")
    low, high = compared.difference(compared.first.images, compared.second.images)
    assert f" points, {100 * low:.2f} to {100 * high:.2f}: more than chance." in verdict(opened)
    assert verdict(opened).startswith("B is better by ")
    assert "for A, low/val; " in opened.inner_text("#comparison-verdict .note")  # choosers are not printed
    assert "2000 bootstrap resamples of 12 images" in opened.inner_text("#comparison-verdict .note")
    assert "; about 1 of 20 does by chance." in opened.inner_text("#comparison-chance")


def test_differences_of_classes_are_marked_by_sign_and_word(opened: "Page") -> None:
    choose(opened, "low", "high")
    average, iiou = rows(opened, "averages")
    assert average[0] == "average: IoU"
    assert average[-1] == "▲ B better"
    assert (iiou[0], iiou[-2:]) == ("iIoU", ["-", "-"])
    road, *_, bicycle = rows(opened)
    assert (road[0], road[-1]) == ("road", "▲ B better")
    assert bicycle[-2:] == ["-", "-"]  # it occurs in one image
    opened.click("#comparison-swap")
    assert verdict(opened).startswith("A is better by ")
    assert rows(opened)[0][-1] == "▼ A better"
    assert rows(opened)[0][1:3] == road[2:0:-1]


def test_equal_results_may_differ_by_chance(opened: "Page") -> None:
    choose(opened, "high", "equal to high")
    assert verdict(opened) == "A and B are equal, 0.00 to 0.00: may be chance."
    assert {row[-1] for row in rows(opened)} == {"may be chance"}


def test_results_of_different_images_have_no_interval(opened: "Page") -> None:
    choose(opened, "low", "other images")
    assert verdict(opened).endswith(" points. No interval: different images (12 and 6).")
    assert {row[-1] for row in rows(opened)} == {"-"}


def test_another_figure_has_no_intervals(opened: "Page") -> None:
    choose(opened, "low", "high")
    opened.select_option("#comparison-figure", "iIoU")
    assert rows(opened)[0][1:] == ["-", "-", "-", "-", "-"]
    person = next(row for row in rows(opened) if row[0] == "person")
    assert person[3].startswith("+")
    assert person[-1] == "-"


def test_a_result_without_a_partner_is_not_offered(opened: "Page") -> None:
    options: list[str] = opened.eval_on_selector_all("#comparison-a option", "all => all.map(one => one.textContent)")
    assert sorted(options) == sorted(f"{name}/val" for name in NAMES[:4])


def test_the_chosen_run_is_compared(opened: "Page") -> None:
    opened.evaluate("chosen.choose('other images')")
    assert opened.eval_on_selector("#comparison-b", "select => select.selectedOptions[0].textContent") == (
        "other images/val"
    )
    opened.select_option("#comparison-a", label="other images/val")
    assert opened.eval_on_selector("#comparison-b", "select => select.selectedOptions[0].textContent") != (
        "other images/val"
    )


def test_classes_are_sorted_by_difference(opened: "Page") -> None:
    choose(opened, "low", "high")
    opened.click("#comparison-table thead th:nth-child(4) button")
    found = [float(row[3].replace("\u2212", "-")) for row in rows(opened)]
    assert found == sorted(found, reverse=True)


def test_charts_are_drawn_and_described(opened: "Page") -> None:
    choose(opened, "low", "high")
    opened.wait_for_selector("#comparison-chart svg")
    opened.wait_for_selector(".comparison-group svg")
    label = opened.eval_on_selector("#comparison-chart", 'chart => chart.outerHTML.match(/Differences of IoU[^"]*/)[0]')
    assert "road +" in label
    assert "B better" in label


def test_hostile_names_stay_text(opened: "Page") -> None:
    assert opened.locator("#comparison img, #submission img").count() == 0
    assert HOSTILE in opened.inner_text("#comparison")
    assert HOSTILE in opened.inner_text("#submission li")
    assert "49" not in opened.inner_text("#submission li")


def test_a_hash_is_copied(drawn: Path, open_page: OpenPage) -> None:
    opened = open_page(drawn, permissions=["clipboard-read", "clipboard-write"])
    opened.click(".submission-copy")
    opened.wait_for_selector("#submission [role=status]:has-text('copied')")
    assert opened.evaluate("navigator.clipboard.readText()") == "0f" * 32


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barrier_for_any_user(scheme: Any, drawn: Path, open_page: OpenPage) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    opened = open_page(drawn, "#comparison", color_scheme=scheme, viewport={"width": 390, "height": 844})
    for section in ("#comparison-chart", "#submission"):
        opened.locator(section).scroll_into_view_if_needed()
    opened.wait_for_selector("#comparison-chart svg")
    found = axe.Axe().run(opened, context={"include": [["#comparison"], ["#submission"]]})
    assert found.violations_count == 0, found.generate_report()
