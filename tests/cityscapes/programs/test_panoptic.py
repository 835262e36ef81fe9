"""Panoptic predictions of every program: the commands of its page, and the scores of the official scorer."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cityscapes.formats import panoptic
from tests.cityscapes.drawn_panoptic import PanopticFolder, official_quality
from tests.cityscapes.programs import detectron2, hugging_face
from tests.cityscapes.programs.drawn import SPLITS, Predicted, predict
from tests.cityscapes.programs.pages import follow, run, section

PANOPTIC = "Panoptic segmentation"
TRUTH: dict[str, Any] = {"images": [], "categories": panoptic.categories()}
"""Content of the JSON file of the ground truth, to which the evaluator adds the predictions."""


class Program(NamedTuple):
    """A program, and the function that writes the files of a split to the folder that its page names."""

    page: str
    write: Callable[[str, Sequence[Predicted]], None]


def _folder(split: str) -> Path:
    return Path(f"panoptic/{split}/cityscapes_panoptic_{split}")


def _detectron2(split: str, predictions: Sequence[Predicted]) -> None:
    output = Path(f"output/{split}")
    output.mkdir(parents=True)
    detectron2.write("KeptPanopticEvaluator", _folder(split), predictions, output, TRUTH)


def _hugging_face(split: str, predictions: Sequence[Predicted]) -> None:
    hugging_face.write_panoptic(_folder(split), predictions)


PROGRAMS = (Program("detectron2", _detectron2), Program("hugging_face", _hugging_face))
EVERY = pytest.mark.parametrize("program", PROGRAMS, ids=[program.page for program in PROGRAMS])


@EVERY
def test_a_perfect_prediction_scores_100_and_is_packed(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        program.write(split, predict(split))
    scores, done = follow(section(program.page, PANOPTIC), capsys)
    assert scores["All"]["pq"] == scores["Things"]["pq"] == scores["Stuff"]["pq"] == 1
    assert scores["All"]["n"] == 19
    assert "not for the server" in done[-1].output
    assert Path("submission.zip").is_file()


@EVERY
def test_a_shifted_prediction_scores_as_by_the_official_scorer(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        program.write(split, predict(split, shift=2))
    scores, _ = follow(section(program.page, PANOPTIC), capsys)
    folder = PanopticFolder(Path())
    folder.predictions = Path("panoptic/val")
    official = official_quality(folder)
    assert 0.1 < official["All"]["pq"] < 0.9
    for kind in ("All", "Things", "Stuff"):
        assert scores[kind] == pytest.approx(official[kind], rel=0, abs=1e-9)
    for label_id, of_class in official["per_class"].items():
        assert scores["per_class"][label_id] == pytest.approx(of_class, rel=0, abs=1e-9)


def test_the_json_file_of_detectron2_has_the_entries_of_its_png_files(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _detectron2("val", predict("val"))
    kept = json.loads(_folder("val").with_suffix(".json").read_text())["annotations"]
    assert kept == json.loads(Path("output/val/predictions.json").read_text())["annotations"]
    assert sorted(entry["file_name"] for entry in kept) == sorted(path.name for path in _folder("val").iterdir())


@EVERY
def test_predictions_of_a_panoptic_model_without_any_segment(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        empty = [predicted._replace(instances=()) for predicted in predict(split)]
        program.write(split, [predicted._replace(train_ids=predicted.train_ids * 0 + 18) for predicted in empty])
    scored = "python -m cityscapes.scoring --task panoptic --predictions panoptic/val --root data --split val"
    run(scored.split(), capsys)
