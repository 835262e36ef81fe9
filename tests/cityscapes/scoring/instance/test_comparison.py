import copy
import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cityscapes.scoring import instance, main, tasks
from cityscapes.scoring.instance import confusion
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.result import InstanceResult
from engine.files.atomic import write_json
from tests.cityscapes.drawn_instances import InstanceFolder, Predict, mixed, official_scores, perfect


def folder_with(path: Path, predict: Predict) -> InstanceFolder:
    """Six scenes with predictions."""
    folder = InstanceFolder(path)
    for number in range(6):
        folder.add(number, predict)
    return folder


def measured(folder: InstanceFolder) -> InstanceResult:
    return instance.measure(folder.predictions, folder.root, "val")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Content of a result file."""
    return measured(folder_with(tmp_path_factory.mktemp("mixed"), mixed)).to_json()


def test_results_are_compared_by_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = folder_with(tmp_path / "bad", mixed), folder_with(tmp_path / "good", perfect)
    paths = [tmp_path / "bad.json", tmp_path / "good.json"]
    for path, folder in zip(paths, (bad, good), strict=True):
        assert main(folder.argv("--output", str(path))) == 0
    capsys.readouterr()
    compared = tasks.compare(*paths)
    frame = compared.to_dataframe()
    assert list(frame.columns) == ["class", "AP A", "AP B", "AP B - A", "AP50% A", "AP50% B", "AP50% B - A"]
    assert frame["class"].tolist() == [*CLASSES, "average"]
    averages = json.loads(paths[0].read_text())["averages"]
    rows = {row["class"]: row for row in frame.to_dict("records")}
    assert rows["average"]["AP A"] == pytest.approx(averages["allAp"], abs=1e-12)
    assert rows["average"]["AP50% A"] == pytest.approx(averages["allAp50%"], abs=1e-12)
    assert rows["average"]["AP B"] == 1
    assert rows["car"]["AP B - A"] == pytest.approx(1 - averages["classes"]["car"]["ap"], abs=1e-12)
    assert re.fullmatch(
        r"average AP, B - A: \+[\d.]+ to \+[\d.]+ points in 95% of the resamples of 6 images: more than chance",
        compared.verdict(),
    )
    assert main(["--compare", *map(str, paths)]) == 0
    assert capsys.readouterr().out == f"{compared}\n"
    assert str(tasks.compare(measured(bad), measured(good))) == str(compared).replace(str(paths[0]), "A").replace(
        str(paths[1]), "B"
    )


def test_files_of_the_official_script_are_compared_without_an_interval(tmp_path: Path) -> None:
    folder = InstanceFolder(tmp_path)
    pairs = [folder.add(number, mixed) for number in range(6)]
    official = tmp_path / "official.json"
    official.write_text(json.dumps(official_scores(pairs, folder.predictions)))
    compared = tasks.compare(official, measured(folder))
    gains = compared.to_dataframe()[["AP B - A", "AP50% B - A"]].to_numpy().ravel().tolist()
    assert gains == pytest.approx([0.0] * len(gains), abs=1e-9, nan_ok=True)
    assert compared.verdict().startswith("no interval: both files must have been written by this command")


def test_results_of_different_images_have_no_interval(content: dict[str, Any], tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    renamed = copy.deepcopy(content)
    renamed["images"]["ulm_999999_000019"] = renamed["images"].pop("ulm_000000_000019")
    for path, of in zip(paths, (content, renamed), strict=True):
        write_json(path, of)
    assert tasks.compare(*paths).verdict() == "no interval: A and B have different images (6 and 6)"


def changed(content: dict[str, Any], *keys: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(content)
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return content


def with_cars(**figures: Any) -> dict[str, Any]:
    return {"car": {"instances": 1, "confidences": [0.5], "outcomes": ["1" * 10], **figures}}


IMAGE = ("images", "ulm_000000_000019")
NO_RESULTS: list[tuple[tuple[str, ...], Any]] = [
    (("averages", "classes", "car", "ap"), 1.5),
    (("averages", "classes", "car", "ap"), "high"),
    (("averages", "classes", "car"), None),
    (("averages", "classes"), {}),
    (("averages",), []),
    (("images",), [1]),
    (IMAGE, {"unicorn": {}}),
    (IMAGE, {"car": {}}),
    (IMAGE, with_cars(instances=-1)),
    (IMAGE, with_cars(instances=10**400)),
    (IMAGE, with_cars(confidences=[])),
    (IMAGE, with_cars(confidences=[None])),
    (IMAGE, with_cars(confidences=[10**400])),
    (IMAGE, with_cars(outcomes=["1"])),
    (IMAGE, with_cars(outcomes=["2" * 10])),
    (IMAGE, with_cars(instances=0)),
]


@pytest.mark.parametrize(("keys", "value"), NO_RESULTS, ids=range(len(NO_RESULTS)))
def test_a_file_that_is_not_a_result_is_refused(
    keys: tuple[str, ...], value: Any, content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    write_json(path, changed(content, *keys, value=value))
    assert main(["--compare", str(path), str(path)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {path}: not the result of a scorer (")
    assert len(printed) < 500


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("averages", "classes", "car", "ap"), 0.125, r"an AP of [\d.]+ % for car, but its averages say 12.5 %"),
        (("averages", "classes", "car", "ap50%"), 0.125, r"an AP50% of [\d.]+ % for car, but its averages say 12.5 %"),
        (IMAGE, {}, r"an AP of [\d.]+ % for \w+, but its averages say [\d.]+ %"),
    ],
)
def test_an_edited_file_is_refused(
    keys: tuple[str, ...],
    value: Any,
    message: str,
    content: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.json"
    write_json(path, changed(content, *keys, value=value))
    assert main(["--compare", str(path), str(path)]) == 2
    assert re.search("its images add up to " + message, capsys.readouterr().err)


def test_perfect_predictions_are_not_confused(tmp_path: Path) -> None:
    """Instances below 100 pixels are predicted too, and ignored."""
    found = measured(folder_with(tmp_path, perfect)).confusion
    diagonal = found[: len(CLASSES), : len(CLASSES)].diagonal()
    assert diagonal.sum() == found.sum() > 0


def test_details_are_the_same_for_any_number_of_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(tmp_path, mixed)
    for workers in ("1", "4"):
        files = ["--output", str(tmp_path / f"{workers}.json"), "--details", str(tmp_path / workers)]
        assert main([*folder.argv(*files), "--workers", workers]) == 0
    names = ("images.csv", "confusion.csv", "confusion.txt", "confusion.png")
    assert all(str(tmp_path / "4" / name) in capsys.readouterr().out for name in names[:1])
    for name in ("../{}.json", *names):
        first, second = ((tmp_path / workers / name.format(workers)).read_bytes() for workers in ("1", "4"))
        assert first == second, name
    result = measured(folder)
    with (tmp_path / "1/images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    halves = [float(row["AP50%"] or math.nan) for row in rows]
    assert halves == sorted(halves)
    assert sum(int(row["instances"]) for row in rows) == result.confusion[: len(CLASSES)].sum()
    with (tmp_path / "1/confusion.csv").open() as file:
        head, *lines = csv.reader(file)
    assert head[1:] == [*CLASSES, "missed"]
    assert [[int(cell) for cell in line[1:]] for line in lines] == result.confusion.tolist()
    assert (tmp_path / "1/confusion.txt").read_text() == confusion.table(result.confusion) + "\n"
    with Image.open(tmp_path / "1/confusion.png") as picture:
        assert picture.width > 800
