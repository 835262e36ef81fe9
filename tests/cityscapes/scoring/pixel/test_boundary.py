import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityscapes.scoring import main
from cityscapes.scoring.pixel import boundary, images
from cityscapes.scoring.pixel.counts import SCORED, Masks
from tests.cityscapes.drawn_predictions import CLASSES, argv, patches


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    distance=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_edges_equal_those_of_an_erosion(size: tuple[int, int], distance: int, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 3, size).repeat(3, 0).repeat(3, 1).astype(np.uint8)
    padded = np.pad(ids.astype(int), distance, constant_values=-1)
    side = 2 * distance + 1
    expected = np.array(
        [
            [(padded[y : y + side, x : x + side] != ids[y, x]).any() for x in range(ids.shape[1])]
            for y in range(len(ids))
        ]
    )
    np.testing.assert_array_equal(boundary.near_edge(ids, distance), expected)


def test_borders_equal_those_of_separate_class_masks() -> None:
    rng = np.random.default_rng(3)
    true, predicted = patches(rng, (300, 500), share=0.8), patches(rng, (300, 500), share=0.8)
    borders = boundary.borders(Masks(predicted, true, true.astype(np.uint16)))
    distance = round(boundary.DISTANCE * math.hypot(300, 500))
    for label_id in CLASSES:
        in_true = (true == label_id) & boundary.near_edge((true == label_id).astype(np.uint8), distance)
        in_predicted = (predicted == label_id) & boundary.near_edge((predicted == label_id).astype(np.uint8), distance)
        in_predicted &= SCORED[true]
        assert borders.hits[label_id] == np.count_nonzero(in_true & in_predicted)
        assert borders.union[label_id] == np.count_nonzero(in_true | in_predicted)


def test_boundary_iou_is_one_for_a_perfect_prediction_and_lower_than_iou_elsewhere(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label_ids = patches(np.random.default_rng(0), (40, 64))
    perfect = boundary.borders(Masks(label_ids, label_ids, label_ids.astype(np.uint16))).scores()
    assert set(np.array(list(perfect.values()))[~np.isnan(list(perfect.values()))]) == {1.0}
    assert main(argv(data, "good", "--boundary", "--output", str(data / "scores.json"))) == 0
    assert "boundary IoU" in capsys.readouterr().out
    assert set(json.loads((data / "scores.json").read_text())["boundaryScores"]) == set(images.NAMES)
