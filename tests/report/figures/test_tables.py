"""Tables of results, and the published results that may stand next to them."""

from dataclasses import replace
from pathlib import Path

import pytest

from report import page
from report.figures.groups import groups, published_of
from report.figures.tables import of_classes
from report.figures.write import write
from report.pictures.collect import Pictures
from report.records import Report, Result, Run
from tests.report.figures import drawn

PANOPTIC = {"PQ": 0.5, "SQ": 0.8, "RQ": 0.6}


def scored(name: str, seed: int, *splits: str, task: str = "pixel", official: bool | None = None) -> Run:
    """A run with a result of each of some splits."""
    of = drawn.scores(seed, official=official)
    of = of if task == "pixel" else replace(of, task="panoptic", averages=PANOPTIC)
    results = tuple(
        Result(f"{name}/{split}", Path(f"outputs/{name}/{split}"), "best", split, "cityscapes", scores=of)
        for split in splits
    )
    return drawn.run(name, seed, results=results)


def table(folder: Path, name: str) -> list[list[str]]:
    """Cells of a Markdown table without the line below its heading."""
    lines = (folder / f"{name}.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [rows[0], *rows[2:]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mixed = drawn.report(scored("a", 1, "val", "test"), scored("b", 2, "val"), scored("c", 3, "val", task="panoptic"))
    write(mixed, page.contents(mixed, Pictures()), tmp_path)
    return tmp_path


def test_each_split_and_task_has_a_table_of_its_own(folder: Path) -> None:
    names = {path.stem for path in folder.glob("overview-*.tex")}
    assert names == {"overview-cityscapes-val", "overview-cityscapes-test", "overview-cityscapes-val-panoptic"}
    assert {row[0] for row in table(folder, "overview-cityscapes-val")[1:]} == {"a", "b"}
    assert table(folder, "overview-cityscapes-val-panoptic")[1][0] == "c"


def test_columns_without_a_value_are_left_out_and_the_best_result_is_first(folder: Path) -> None:
    heading, *rows = table(folder, "overview-cityscapes-val")
    assert all(any(row[column] != "-" for row in rows) for column in range(len(heading)))
    assert "PQ" not in heading
    assert heading[0] == "Run"
    assert "95 % interval" in heading
    scores = [float(row[heading.index("IoU")]) for row in rows]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(("official", "shown"), [(True, 1), (None, 1), (False, 0)])
def test_published_results_stand_only_next_to_scores_of_official_images(official: bool | None, shown: int) -> None:
    report: Report = drawn.report(scored("a", 1, "val", official=official))
    assert len(published_of(groups(report)[0], [drawn.PUBLISHED])) == shown


def test_a_latex_file_says_what_it_shows_and_on_what_it_was_measured(tmp_path: Path) -> None:
    runs = [drawn.run(name, seed, profiles=(drawn.network(),)) for seed, name in enumerate("ab")]
    report: Report = drawn.report(*runs)
    write(report, page.contents(report, Pictures()), tmp_path)
    comment = (tmp_path / "overview-cityscapes-val.tex").read_text().splitlines()[0]
    assert comment.startswith("% Results of cityscapes val with their scores in percent")
    assert "MACs: of an image of 256x128." in comment
    assert "Latency and memory: AMD EPYC, 256x128, 32-true." in comment
    heading, *rows = table(tmp_path, "by-class-cityscapes-val")
    assert sorted(heading) == ["a", "b", "class"]
    assert rows[-1][0] == "mean"


@pytest.mark.parametrize("names", [("IoU", "iIoU"), ("mIoU", "mean iIoU")])
def test_the_last_row_of_a_table_of_classes_has_the_averages(names: tuple[str, str]) -> None:
    run = scored("a", 1, "val")
    assert run.results[0].scores is not None
    averages = dict(zip(names, (0.25, 0.5), strict=True))
    result = replace(run.results[0], scores=replace(run.results[0].scores, averages=averages))
    (group,) = groups(drawn.report(replace(run, results=(result,))))
    columns = of_classes(group.entries[0]).columns
    assert [columns[name][-1] for name in ("class", "IoU", "iIoU")] == ["mean", 0.25, 0.5]
