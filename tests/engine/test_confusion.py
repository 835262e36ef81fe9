import numpy as np
import pytest

from engine.confusion import ClassScores, occurring


def test_scores_by_hand() -> None:
    scores = ClassScores(np.array([[3, 1, 0, 0], [1, 4, 0, 1], [0, 0, 0, 0]]))  # the last column: no class given
    assert scores.iou.tolist()[:2] == [3 / 5, 4 / 7]
    assert scores.dice.tolist()[:2] == [6 / 8, 8 / 11]
    assert scores.accuracy.tolist()[:2] == [3 / 4, 4 / 6]
    assert scores.pixel_accuracy == 7 / 10


def test_a_class_that_does_not_occur_is_not_part_of_means() -> None:
    scores = ClassScores(np.array([[2, 0, 0], [0, 0, 0]]))
    for values in (scores.iou, scores.dice, scores.accuracy):
        assert values.tolist() == pytest.approx([1, np.nan], nan_ok=True)
        assert occurring(values).tolist() == [1]


def test_a_class_that_is_only_predicted_scores_zero_but_has_no_accuracy() -> None:
    scores = ClassScores(np.array([[1, 1, 0], [0, 0, 0]]))
    assert scores.iou.tolist() == [0.5, 0]
    assert scores.accuracy.tolist() == pytest.approx([0.5, np.nan], nan_ok=True)


def test_no_pixels_give_nan_without_a_warning() -> None:
    scores = ClassScores(np.zeros((2, 3), np.int64))
    assert np.isnan([*scores.iou, scores.pixel_accuracy]).all()
