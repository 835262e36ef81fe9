"""Scores of the instance task, compared with those of the official script."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityscapes.scoring import instance
from cityscapes.scoring.instance.pairs import Pair
from tests.cityscapes.drawn_instances import (
    KINDS,
    InstanceFolder,
    Predict,
    official_scores,
)
from tests.cityscapes.drawn_predictions import assert_equal


@pytest.fixture
def folder(tmp_path: Path) -> InstanceFolder:
    return InstanceFolder(tmp_path)


def ours_and_official(folder: InstanceFolder, pairs: Sequence[Pair]) -> tuple[dict[str, Any], dict[str, Any]]:
    ours = instance.measure(folder.predictions, folder.root, "val").to_json()
    official = official_scores(pairs, folder.predictions)
    return {key: ours[key] for key in official}, official


@pytest.mark.parametrize("predict", KINDS)
def test_all_figures_are_those_of_the_official_script(predict: Predict, folder: InstanceFolder) -> None:
    pairs = [folder.add(number, predict) for number in range(12)]
    ours, official = ours_and_official(folder, pairs)
    assert_equal(ours, official)
    assert ours["resultApMatrix"] == official["resultApMatrix"] or math.isnan(np.sum(official["resultApMatrix"]))
    assert 0 < official["averages"]["allAp50%"] <= 1 or predict in (KINDS[8], KINDS[7])
