"""Tables, data frames and files of the instance task."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cityscapes.scoring import instance, main
from cityscapes.scoring.instance.matching import CLASSES
from tests.cityscapes.drawn_instances import InstanceFolder, draw_scene, mixed, official_scores, perfect


@pytest.fixture
def folder(tmp_path: Path) -> InstanceFolder:
    folder = InstanceFolder(tmp_path)
    folder.add(0, perfect, ids=draw_scene(np.random.default_rng(5), labels=[24, 26]))
    folder.add(1, mixed, ids=draw_scene(np.random.default_rng(1), labels=[24, 26]))
    return folder


def test_the_table_has_every_class_and_the_average(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    averages = official_scores([folder.pair(0), folder.pair(1)], folder.predictions)["averages"]
    assert main(folder.argv()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "AP", "AP50%"]
    shown = {line.rsplit(maxsplit=2)[0]: line.split()[-2:] for line in lines[1:10]}
    of = averages["classes"]["person"]
    assert shown["person"] == [f"{100 * of['ap']:.1f}", f"{100 * of['ap50%']:.1f}"]
    assert shown["bus"] == ["-", "-"]
    assert shown["average of 2"] == [f"{100 * averages['allAp']:.1f}", f"{100 * averages['allAp50%']:.1f}"]
    assert lines[11].endswith("in 95% of 2000 resamples of 2 images")
    assert lines[12].startswith("2 scenes of val, not the official 500")
    assert lines[13].startswith("next: add --output scores.json")


def test_csv_has_all_digits(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    averages = official_scores([folder.pair(0), folder.pair(1)], folder.predictions)["averages"]
    assert main(folder.argv("--format", "csv")) == 0
    printed = capsys.readouterr()
    rows = {row["class"]: row for row in csv.DictReader(io.StringIO(printed.out))}
    assert float(rows["average"]["AP"]) == averages["allAp"]
    assert float(rows["car"]["AP50%"]) == averages["classes"]["car"]["ap50%"]
    assert rows["train"]["AP"] == ""
    assert "2 scenes of val" in printed.err


@pytest.mark.parametrize(("form", "row"), [("markdown", "| bus "), ("latex", r" AP50\% \\")])
def test_other_formats(form: str, row: str, folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(folder.argv("--format", form)) == 0
    assert row in capsys.readouterr().out


def test_data_frames(folder: InstanceFolder) -> None:
    result = instance.measure(folder.predictions, folder.root, "val")
    frame = result.to_dataframe()
    assert list(frame.columns) == ["class", "AP", "AP50%"]
    assert frame["class"].tolist() == [*CLASSES, "average"]
    assert frame["AP"].isna().sum() == 6
    assert result.images_to_dataframe()["image"].tolist() == ["ulm_000001_000019", "ulm_000000_000019"]


def test_details_are_written(folder: InstanceFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(folder.argv("--details", str(tmp_path / "details"))) == 0
    names = ["confusion.csv", "confusion.png", "confusion.txt", "images.csv"]
    assert sorted(path.name for path in (tmp_path / "details").glob("[!.]*")) == names
    assert f"wrote {tmp_path}/details/images.csv" in capsys.readouterr().out
    assert (tmp_path / "details/images.csv").read_text().startswith("image,AP,AP50%,")
    with Image.open(tmp_path / "details/confusion.png") as picture:
        assert picture.width > 100


def test_a_second_output_is_compared(
    folder: InstanceFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(folder.argv("--output", str(tmp_path / "scores.json"))) == 0
    assert f"--compare {tmp_path}/scores.json OTHER.json" in capsys.readouterr().out


def test_boundaries_are_of_the_pixel_task(folder: InstanceFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(folder.argv("--boundary"))
    assert "--boundary is for --task pixel; leave it out" in capsys.readouterr().err
