"""The drawn runs have the form of real ones: the project's own commands read them."""

import json
from pathlib import Path
from typing import Any

import pytest

from camvid import scoring as camvid
from cityscapes.scoring import pixel, tasks
from engine.training.epoch_log import EpochLog
from tests.report.drawn_runs import Drawn, Options, draw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    options = Options(images=4, height=32, width=64, tasks=True, camvid=True, unfinished=True)
    return draw(tmp_path_factory.mktemp("drawn"), options)


@pytest.mark.parametrize("name", ["fcn8s-00", "unet-01"])
def test_scores_are_those_of_the_scorer(drawn: Drawn, name: str) -> None:
    folder = drawn.outputs / name / "val"
    scored = pixel.measure(folder / "predictions", drawn.data / "cityscapes", "val").to_json()
    assert json.loads(json.dumps(scored, allow_nan=True).replace("NaN", "null")) == _read(folder / "scores.json")


def test_scores_of_camvid_are_those_of_its_scorer(drawn: Drawn) -> None:
    folder = drawn.outputs / "camvid-unet" / "val"
    scored = camvid.score(folder / "predictions", drawn.data / "camvid", "val").to_json()
    written = _read(folder / "scores.json")
    # The official number of images is stated by the caller.
    assert {**scored, "official_images": 101} == {**written, "official_images": 101}


def test_runs_get_better(drawn: Drawn) -> None:
    names = ["fcn8s-00", "unet-01", "fcn8s_vgg16-02"]
    scores = [_read(drawn.outputs / name / "val" / "scores.json")["averageScoreClasses"] for name in names]
    assert scores[0] < scores[1] < scores[2]


@pytest.mark.parametrize("task", ["instances", "panoptic"])
def test_results_of_other_tasks_can_be_compared(drawn: Drawn, task: str) -> None:
    compared = tasks.compare(drawn.outputs / task / "before.json", drawn.outputs / task / "scores.json")
    assert compared.verdict().endswith("more than chance")


@pytest.mark.parametrize(("name", "epochs"), [("fcn8s-00", 12), ("unfinished", 5)])
def test_every_line_of_a_history_is_an_epoch(drawn: Drawn, name: str, epochs: int) -> None:
    log = EpochLog(drawn.saved / name / "history.jsonl", drawn.saved / name / "last.pth")
    assert [row["epoch"] for row in log.rows()] == [*range(1, epochs + 1)]


def test_the_archive_has_a_manifest(drawn: Drawn) -> None:
    manifest = _read(drawn.outputs / "fcn8s-00" / "test" / "submission.zip.manifest.json")
    assert len(manifest["files"]) == 3
    assert manifest["made_with"]["benchmark"] == "cityscapes"


def test_more_images_than_are_drawn(tmp_path: Path) -> None:
    drawn = draw(tmp_path, Options(runs=1, images=26, height=32, width=64, submission=False, pictured=1))
    scores = _read(drawn.outputs / "fcn8s-00" / "val" / "scores.json")
    assert len(scores["images"]) == 26


def test_damaged_and_hostile_runs_are_added(tmp_path: Path) -> None:
    drawn = draw(tmp_path, Options(runs=1, images=1, height=32, width=64, damaged=True, hostile=True))
    assert not EpochLog(drawn.saved / "damaged" / "history.jsonl", Path()).rows()
    assert len(EpochLog(drawn.saved / "damaged-history" / "history.jsonl", Path()).rows()) == 6
    assert len([path for path in drawn.saved.iterdir() if "<" in path.name]) == 4


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content
