"""Pixel predictions of every program: the commands of its page, and the scores of the official scorer."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from cityscapes import predictions as files
from cityscapes.layout import Scene
from cityscapes.scoring.pixel.counts import Pair
from tests.cityscapes.drawn_predictions import assert_equal, official_scores
from tests.cityscapes.programs import detectron2, hugging_face, mmsegmentation, nvidia, paddleseg, ultralytics
from tests.cityscapes.programs.drawn import SPLITS, Predicted, predict
from tests.cityscapes.programs.pages import follow, section

Write = Callable[[Path, Sequence[Predicted]], None]


SEMANTIC = "Semantic segmentation"


class Program(NamedTuple):
    """A program, and the folder of a split that its page names."""

    page: str
    write: Write
    folder: str
    heading: str | None = None
    """Section of the page with the commands; None for its beginning."""


PROGRAMS = (
    Program("ultralytics", ultralytics.write, "runs/semantic/{}/results"),
    Program("mmsegmentation", mmsegmentation.write, "work_dirs/{}"),
    Program("detectron2", partial(detectron2.write, "KeptSemSegEvaluator"), "semantic/{}", SEMANTIC),
    Program("hugging_face", hugging_face.write_semantic, "semantic/{}", SEMANTIC),
    Program("nvidia", nvidia.write, "logs/{}/submit"),
    Program("paddleseg", paddleseg.write, "output/{}"),
)
EVERY = pytest.mark.parametrize("program", PROGRAMS, ids=[program.page for program in PROGRAMS])


@EVERY
def test_a_perfect_prediction_scores_100_and_is_packed(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        program.write(Path(program.folder.format(split)), predict(split))
    scores, done = follow(section(program.page, program.heading), capsys)
    assert scores["averageScoreClasses"] == scores["averageScoreInstClasses"] == 1
    assert sum(score == 1 for score in scores["classScores"].values()) == 19
    assert scores["coverage"]["cities"] == {"frankfurt": 2, "lindau": 1, "munster": 1}
    packed = done[-1]
    assert f"not for the server: {len(SPLITS['test'])} predictions" in packed.output
    assert "all of label ids" in packed.output
    assert Path("submission.zip").is_file()


@EVERY
def test_a_shifted_prediction_scores_as_by_the_official_scorer(
    program: Program, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in SPLITS:
        program.write(Path(program.folder.format(split)), predict(split, shift=3))
    scores, done = follow(section(program.page, program.heading), capsys)
    words = next(command.words for command in done if command.words[2] == "cityscapes.scoring")
    found = files.find(Path(words[words.index("--predictions") + 1])).by_stem
    scenes = [Scene("val", stem.split("_", maxsplit=1)[0], stem) for stem in SPLITS["val"]]
    official = official_scores(
        [
            Pair(
                scene.stem,
                found[scene.stem][0],
                scene.official_mask(root, "labelIds"),
                scene.official_mask(root, "instanceIds"),
            )
            for scene in scenes
        ]
    )
    assert 0.4 < official["averageScoreClasses"] < 0.9
    for kind in ("Classes", "InstClasses", "Categories", "InstCategories"):
        assert_equal(scores[f"averageScore{kind}"], official[f"averageScore{kind}"], kind)
    for name, score in official["classScores"].items():
        assert_equal(scores["classScores"][name], None if math.isnan(score) else score, name)
