import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitti_road.counts import NONE, Counts
from kitti_road.measures import RoadScores, scores_of, table


def binary(positives: int, hits: int, negatives: int, false_positives: int, sure: int = 255) -> Counts:
    """Counts of predictions that contain 0 and one other value."""
    kinds = np.zeros((2, 256), np.int64)
    kinds[0, 0], kinds[1, 0] = positives - hits, negatives - false_positives
    kinds[0, sure] += hits
    kinds[1, sure] += false_positives
    return Counts(*kinds)


# Results of the official tools for such pixels: P, TP, N, FP, threshold, MaxF, AP, PRE, FPR.
OFFICIAL = [
    (61316, 61316, 398964, 0, 1, 0.9999999999499992, 0.9999999999999983, 1.0, 0.0),
    (61316, 59536, 398964, 1780, 1, 0.9709700567051691, 0.8948104665999133, 0.97097003, 0.0044615553),
    (61316, 59112, 398964, 10053, 1, 0.9060629516442966, 0.7890667052982656, 0.8546519, 10053 / 398964),
    (61316, 61316, 398964, 398964, 0, 0.23510916492683684, 0.13321456504736243, 0.13321456, 1.0),
    (78967, 72966, 228773, 5278, 1, 0.9282556563608114, 0.8710951328202777, 0.93254435, 0.023070903),
    (78967, 63126, 228773, 33855, 1, 0.7175529133112893, 0.5433724504641304, 0.650911, 0.14798512),
    (82802, 76994, 224560, 5510, 1, 0.9315330356534828, 0.8728681171666394, 0.9332154, 0.024536872),
]


@pytest.mark.parametrize(("p", "tp", "n", "fp", "threshold", "max_f", "ap", "precision", "fpr"), OFFICIAL)
def test_scores_are_the_official_ones(
    p: int, tp: int, n: int, fp: int, threshold: int, max_f: float, ap: float, precision: float, fpr: float
) -> None:
    scores = scores_of(binary(p, tp, n, fp))
    assert scores.threshold == threshold
    assert scores.pixels == {"TP": tp, "FP": fp, "FN": p - tp, "TN": n - fp}
    assert scores.max_f == pytest.approx(max_f, abs=1e-9)
    assert scores.average_precision == pytest.approx(ap, abs=1e-9)
    # The official tools compute these in single precision.
    assert scores.precision == pytest.approx(precision, abs=1e-6)
    assert scores.false_positive_rate == pytest.approx(fpr, abs=1e-6)
    assert scores.recall == pytest.approx(tp / p)
    assert scores.false_negative_rate == pytest.approx(1 - tp / p)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_any_constant_map_scores_the_same(value: int) -> None:
    """At threshold 0 every pixel is positive, whatever the map."""
    scores = scores_of(binary(61316, 61316, 398964, 398964, value))
    assert scores.threshold == 0
    assert scores.max_f == pytest.approx(0.23510916492683684, abs=1e-9)


def obvious(positives: list[int], negatives: list[int]) -> tuple[float, float, int]:
    """MaxF, AP and threshold by the formulas, with loops over pixels and thresholds."""
    points = []
    for threshold in range(256):
        hits = sum(value >= threshold for value in positives)
        false_positives = sum(value >= threshold for value in negatives)
        if hits:
            points.append((hits / len(positives), hits / (hits + false_positives + 1e-10), threshold))
    f1 = [(2 * precision * recall / (precision + recall + 1e-10), -t) for recall, precision, t in points]
    levels = [max(p for recall, p, _ in points if recall >= level * 0.1) for level in range(11)]
    return max(f1)[0], sum(levels) / 11, -max(f1)[1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=12), st.lists(st.integers(0, 255), max_size=12))
def test_scores_follow_the_formulas(positives: list[int], negatives: list[int]) -> None:
    histograms = (np.bincount(np.array(values, np.int64), minlength=256) for values in (positives, negatives))
    scores = scores_of(Counts(*histograms))
    max_f, ap, threshold = obvious(positives, negatives)
    assert scores.max_f == pytest.approx(max_f, abs=1e-12)
    assert scores.average_precision == pytest.approx(ap, abs=1e-12)
    assert scores.threshold == threshold
    assert scores.recall + scores.false_negative_rate == pytest.approx(1)


def test_without_a_positive_pixel_there_is_no_score() -> None:
    scores = scores_of(binary(0, 0, 50, 20))
    assert all(math.isnan(value) for value in scores.columns.values())
    assert scores.to_json()["MaxF"] is None
    assert scores.to_json()["pixels"] == {"positives": 0, "negatives": 50}


def test_without_a_negative_pixel_only_the_false_positive_rate_is_missing() -> None:
    scores = scores_of(binary(50, 40, 0, 0))
    assert [name for name, value in scores.columns.items() if math.isnan(value)] == ["FPR"]


def test_the_table_is_that_of_the_benchmark() -> None:
    scores: dict[str, RoadScores] = {
        "um_road": scores_of(binary(61316, 59536, 398964, 1780)),
        "um_lane": scores_of(NONE),
    }
    assert table(scores).render().splitlines() == [
        "benchmark     MaxF       AP      PRE      REC     FPR     FNR",
        "UM_ROAD    97.10 %  89.48 %  97.10 %  97.10 %  0.45 %  2.90 %",
        "UM_LANE          -        -        -        -       -       -",
    ]
