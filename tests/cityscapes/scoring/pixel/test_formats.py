"""The tables of scores in each format, and as DataFrames."""

import csv
import io
import math
from pathlib import Path

import pytest

from cityscapes.scoring import main, measure, tasks
from cityscapes.scoring.pixel import images
from engine import image_counts
from engine.files.atomic import write_json
from tests.cityscapes.drawn_predictions import argv


def test_csv_alone_is_on_stdout_with_all_digits(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = data / "scores.json"
    assert main(argv(data, "good", "--boundary", "--format", "csv", "--output", str(output))) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    result = measure(data / "good", data / "data", "val", with_borders=True)
    assert [(row["level"], row["name"]) for row in rows[:20]] == [("class", name) for name in (*images.NAMES, "mean")]
    assert [row["name"] for row in rows if row["level"] == "category"][-1] == "mean"
    for row in rows[:19]:
        expected = result.scores.classes[row["name"]]
        assert float(row["IoU"] or "nan") == pytest.approx(expected, abs=1e-15, nan_ok=True)
    assert float(rows[19]["IoU"]) == pytest.approx(result.to_json()["averageScoreClasses"], abs=1e-15)
    assert result.borders is not None
    assert float(rows[0]["boundary IoU"]) == pytest.approx(result.borders.scores()["road"], abs=1e-15)
    assert f"wrote {output}\nnext: " in printed.err
    assert str(result.coverage) in printed.err


@pytest.mark.parametrize(("form", "first"), [("markdown", "| level "), ("latex", r"\begin{tabular}{llrr}")])
def test_tables_for_papers_have_percent_and_nothing_else_on_stdout(
    form: str, first: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv(data, "good", "--format", form)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(first)
    scores = measure(data / "good", data / "data", "val").scores
    (road,) = (line for line in printed.splitlines() if "road" in line)
    assert f" {100 * scores.classes['road']:.1f} " in road
    assert printed.splitlines()[-1].startswith(("| category", r"\end{tabular}"))


def test_comparisons_in_each_format(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name in ("bad", "good"):
        paths.append(data / f"{name}.json")
        write_json(paths[-1], measure(data / name, data / "data", "val").to_json())
    frame = tasks.compare(*paths).to_dataframe()
    assert list(frame.columns) == ["class", "IoU A", "IoU B", "IoU B - A", "iIoU A", "iIoU B", "iIoU B - A"]
    assert frame["class"].tolist() == [*images.NAMES, "mean"]
    assert (frame["IoU B"] - frame["IoU A"]).tolist() == pytest.approx(frame["IoU B - A"].tolist(), nan_ok=True)
    assert main(["--compare", *map(str, paths), "--format", "csv"]) == 0
    printed = capsys.readouterr()
    (*_, mean) = csv.DictReader(io.StringIO(printed.out))
    assert float(mean["IoU B - A"]) == pytest.approx(frame["IoU B - A"].iloc[-1], abs=1e-15)
    assert printed.err.startswith(f"A  {paths[0]}\nB  {paths[1]}\nmean IoU, B - A: ")


def test_results_as_dataframes(data: Path) -> None:
    result = measure(data / "bad", data / "data", "val")
    frame = result.to_dataframe()
    assert list(frame.columns) == ["level", "name", "IoU", "iIoU"]
    assert frame[frame.level == "class"].iloc[:-1].IoU.mean() == pytest.approx(frame.IoU.iloc[19])
    of_images = result.images_to_dataframe()
    assert list(of_images.columns) == ["image", "mean", *images.NAMES]
    assert len(of_images) == 8
    assert of_images["mean"].is_monotonic_increasing
    worst = next(image for image in result.images if image.stem == of_images["image"].iloc[0])
    assert math.isclose(image_counts.mean_score(worst), of_images["mean"].iloc[0])
