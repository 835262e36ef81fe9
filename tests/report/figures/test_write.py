"""All figures of a report in a folder."""

import shutil
import subprocess
from pathlib import Path

import matplotlib as mpl
import pytest

from report import page
from report.figures.write import write
from report.pictures.collect import Pictures
from report.records import Report
from tests.report.figures import drawn
from tests.report.figures.files import font_sizes, texts, width
from tests.report.figures.latex_syntax import require_valid

HOSTILE = "<b>$x$ _{a}\\ & |%\n"


def figures(report: Report, folder: Path) -> str:
    return write(report, page.contents(report, Pictures()), folder)


def full() -> Report:
    runs = (drawn.run("fcn8s", profiles=(drawn.network(),)), drawn.run(HOSTILE, 1))
    return drawn.report(*runs, agreements=(drawn.agreement(),), published=(drawn.PUBLISHED,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    figures(full(), folder)
    return folder


def test_every_kind_of_chart_and_table_is_written(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    charts = [
        "all-curves-cityscapes",
        "curves-fcn8s",
        "classes-fcn8s-val",
        "confusion-fcn8s-val",
        "intervals-cityscapes-val",
    ]
    charts += [
        "accuracy-latency-cityscapes-val-IoU-AMD-EPYC-256x128-32-true",
        "stages-AMD-EPYC-32-true-256x128",
        "roofline-AMD-EPYC",
    ]
    tables = (
        "overview-cityscapes-val",
        "trainings",
        "classes-fcn8s-val",
        "by-class-cityscapes-val",
        "comparison-cityscapes-val-pixel-task",
    )
    assert {
        f"{name}{suffix}"
        for name in (*charts, "agreement-masks", "by-class-cityscapes-val")
        for suffix in (".svg", ".pdf")
    } <= names
    assert {f"{name}{suffix}" for name in tables for suffix in (".tex", ".md")} <= names


def test_every_table_is_valid_latex(folder: Path) -> None:
    tables = [path for path in folder.glob("*.tex") if path.name != "all-tables.tex"]
    assert len(tables) >= 7
    for table in tables:
        require_valid(table.read_text())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_all_tables_compile(folder: Path, tmp_path: Path) -> None:
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"-output-directory={tmp_path}"]
    done = subprocess.run([*command, "all-tables.tex"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "all-tables.pdf").is_file()


def test_every_chart_is_readable_at_its_printed_width(folder: Path) -> None:
    charts = sorted(folder.glob("*.svg"))
    assert len(charts) >= 7
    for chart in charts:
        assert round(width(chart), 2) in (3.5, 7.0), chart
        assert min(font_sizes(chart)) >= 8, chart
        assert texts(chart), chart


def test_every_pdf_embeds_its_fonts_as_truetype(folder: Path) -> None:
    for chart in folder.glob("*.svg"):
        content = chart.with_suffix(".pdf").read_bytes()
        assert b"/FontFile2" in content
        assert b"/Type3" not in content


def test_no_file_has_a_date(folder: Path) -> None:
    for path in folder.iterdir():
        assert b"CreationDate" not in path.read_bytes()
        assert b"dc:date" not in path.read_bytes()


def test_the_same_report_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write(full(), page.contents(full(), Pictures()), tmp_path, workers=2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_index_lists_every_file(folder: Path) -> None:
    index = (folder / "README.md").read_text()
    names = {path.name for path in folder.iterdir()} - {"README.md"}
    assert all(f"[{name}]({name})" in index for name in names)


def test_a_hostile_name_is_text_in_every_file(folder: Path) -> None:
    assert any("<b>$x$ _{a}\\ & |%" in text for chart in folder.glob("curves-*.svg") for text in texts(chart))
    assert "<b>" not in (folder / "README.md").read_text()


def test_a_rerun_replaces_its_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "mine.svg").write_text("mine")
    (tmp_path / "curves-a.svg").write_text("old")
    figures(drawn.report(drawn.run("a", results=())), tmp_path)
    assert (tmp_path / "mine.svg").read_text() == "mine"
    assert (tmp_path / "curves-a.svg").read_text().startswith("<?xml")
    assert not list(tmp_path.glob(".*"))


def test_an_empty_report_writes_nothing_but_an_index_with_reasons(tmp_path: Path) -> None:
    line = figures(drawn.report(), tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["README.md"]
    assert "0 figures" in line
    assert "Left out" in (tmp_path / "new" / "README.md").read_text()


def test_settings_of_matplotlib_stay_as_they_are(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    figures(drawn.report(drawn.run("a", results=())), tmp_path)
    assert dict(mpl.rcParams) == before


def test_values_that_are_not_finite_are_left_out_of_curves(tmp_path: Path) -> None:
    rows = [dict(row) for row in drawn.history()]
    rows[1] |= {"train_loss": float("inf"), "val_miou": float("nan"), "learning_rate": 10**400}
    rows[2] |= {"val_loss": None}
    figures(drawn.report(drawn.run("a", history=tuple(rows), results=())), tmp_path)
    assert "training crops" in texts(tmp_path / "curves-a.svg")


def test_a_run_without_anything_is_left_out(tmp_path: Path) -> None:
    empty = drawn.run("a", history=(), results=(), config={}, environment={}, modified="")
    figures(drawn.report(empty), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "README.md",
        "all-tables.tex",
        "trainings.md",
        "trainings.tex",
    }
    assert "Tables of results: no result was scored" in (tmp_path / "README.md").read_text()
