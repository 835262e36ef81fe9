"""Instance predictions of every program: the commands of its page, and the scores of the official scorer."""

import contextlib
import io
import json
import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cityscapes.layout import Scene
from tests.cityscapes.programs import detectron2, hugging_face, mmdetection
from tests.cityscapes.programs.drawn import SPLITS, Predicted, predict
from tests.cityscapes.programs.pages import follow, section

INSTANCES = "Instance segmentation"
FOLDER = "instance/{}"


class Program(NamedTuple):
    """A program, and the function that writes its files to a folder."""

    name: str
    page: str
    heading: str | None
    """Section of the page with the commands; None for its beginning."""
    folder: str
    """The folder of a split that the page names."""
    write: Callable[[Path, Sequence[Predicted]], None]


PROGRAMS = (
    Program("detectron2", "detectron2", INSTANCES, FOLDER, partial(detectron2.write, "KeptInstanceEvaluator")),
    Program("Hugging Face, masks", "hugging_face", INSTANCES, FOLDER, hugging_face.write_instances),
    Program("Hugging Face, one map", "hugging_face", INSTANCES, FOLDER, hugging_face.write_instances_of_one_map),
    Program("mmdetection", "mmdetection", None, "work_dirs/{}/results", mmdetection.write),
)
EVERY = pytest.mark.parametrize("program", PROGRAMS, ids=[program.name for program in PROGRAMS])


@EVERY
def test_a_perfect_prediction_scores_100_and_is_packed(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        program.write(Path(program.folder.format(split)), predict(split))
    scores, done = follow(section(program.page, program.heading), capsys)
    assert scores["averages"]["allAp"] == scores["averages"]["allAp50%"] == 1
    assert len(scores["averages"]["classes"]) == 8
    assert "not for the server" in done[-1].output
    assert Path("submission.zip").is_file()


@EVERY
def test_a_shifted_prediction_scores_as_by_the_official_scorer(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        program.write(Path(program.folder.format(split)), predict(split, shift=2))
    scores, _ = follow(section(program.page, program.heading), capsys)
    official = official_averages(Path(program.folder.format("val")), root)
    assert 0.1 < official["allAp"] < official["allAp50%"]
    assert scores["averages"]["allAp"] == pytest.approx(official["allAp"], rel=0, abs=1e-9)
    assert scores["averages"]["allAp50%"] == pytest.approx(official["allAp50%"], rel=0, abs=1e-9)
    for name, of_class in official["classes"].items():
        for key, score in of_class.items():
            expected = None if math.isnan(score) else pytest.approx(score, rel=0, abs=1e-9)
            assert scores["averages"]["classes"][name][key] == expected, (name, key)


@EVERY
def test_an_image_without_instances_has_an_empty_text_file(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        first, *others = predict(split)
        program.write(Path(program.folder.format(split)), [first._replace(instances=()), *others])
    texts = sorted(Path(program.folder.format("val")).glob("*.txt"))
    assert [path.stat().st_size > 0 for path in texts] == [False, True, True, True]
    scores, _ = follow(section(program.page, program.heading), capsys)
    assert scores["averages"]["allAp"] < 1


def official_averages(folder: Path, root: Path) -> Any:
    """The `averages` of the official scorer, for predictions of the validation split."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        official = pytest.importorskip("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")
        scenes = [Scene("val", stem.split("_", maxsplit=1)[0], stem) for stem in SPLITS["val"]]
        truths = [str(scene.official_mask(root, "instanceIds")) for scene in scenes]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np, "in1d", np.isin, raising=False)
            patch.setattr(official, "writeDict2JSON", lambda *_: None)
            settings = {"quiet": True, "JSONOutput": False, "gtInstancesFile": "instances.json"}
            for name, value in {**settings, "predictionPath": str(folder.resolve()), "predictionWalk": None}.items():
                patch.setattr(official.args, name, value, raising=False)
            predictions = [official.getPrediction(truth, official.args) for truth in truths]
            return json.loads(json.dumps(official.evaluateImgLists(predictions, truths, official.args)["averages"]))
