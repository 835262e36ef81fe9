import math

import numpy as np
import pytest

from engine import bootstrap, image_counts
from engine.arrays import Float64Array, Int64Array
from engine.image_counts import ImageCounts


def some_images(rng: np.random.Generator) -> list[ImageCounts]:
    """Seven images with about half of the classes."""
    listed = []
    for number in range(7):
        union = rng.integers(0, 1000, 19)
        union[rng.random(19) < 0.5] = 0
        listed.append(ImageCounts(f"ulm_{number:06}_000019", (union * rng.random(19)).astype(np.int64), union))
    return listed


def test_the_intervals_of_the_pixel_task_are_those_of_earlier_versions() -> None:
    rng = np.random.default_rng(3)
    first, second = some_images(rng), some_images(rng)
    expected = (0.47343920740590384, 0.6002563036734813)
    assert image_counts.interval(first) == pytest.approx(expected, rel=1e-15)
    expected = (-0.16785760602538913, -0.0035754484421715166)
    assert image_counts.difference(first, second) == pytest.approx(expected, rel=1e-15)


def test_a_resample_draws_as_many_images_as_there_are() -> None:
    resamples = []

    def figure(drawn: Int64Array) -> Float64Array:
        resamples.append(drawn)
        return drawn[:, 0].astype(float)

    low, high = bootstrap.interval(5, figure)
    drawn = np.concatenate(resamples)
    assert drawn.shape == (bootstrap.RESAMPLES, 5)
    assert (drawn.sum(1) == 5).all()
    assert (low, high) == tuple(np.quantile(drawn[:, 0], [0.025, 0.975]))


def test_resamples_without_a_score_are_left_out() -> None:
    def figure(drawn: Int64Array) -> Float64Array:
        return np.where(drawn[:, 0] > 0, 0.5, math.nan)

    assert bootstrap.interval(2, figure) == (0.5, 0.5)
    assert all(map(math.isnan, bootstrap.interval(2, lambda drawn: np.full(len(drawn), math.nan))))


def test_a_difference_draws_the_same_images_for_both() -> None:
    def figure(drawn: Int64Array) -> Float64Array:
        return np.asarray(drawn @ np.array([0.1, 0.4, 0.7]))

    assert bootstrap.difference(3, figure, lambda drawn: figure(drawn) + 0.25) == pytest.approx((0.25, 0.25))


def test_means_leave_classes_without_a_score_out() -> None:
    scores = np.array([[0.2, math.nan, 0.4], [math.nan] * 3])
    np.testing.assert_allclose(bootstrap.means(scores), [0.3, math.nan])


def test_the_interval_of_a_class_is_that_of_its_iou_alone() -> None:
    images = some_images(np.random.default_rng(5))
    for image in images:
        image.union[3] = image.hits[3] = 0
    found = image_counts.class_intervals(images)
    assert len(found) == 19
    assert all(map(math.isnan, found[3]))
    alone = [ImageCounts(image.stem, image.hits[:1], image.union[:1]) for image in images]
    assert found[0] == image_counts.interval(alone)
    low, high = found[0]
    assert low < image_counts.total_scores(images)[0] < high


def test_kept_resamples_are_those_of_a_first_call() -> None:
    images = some_images(np.random.default_rng(5))
    bootstrap._resamples.cache_clear()
    assert image_counts.interval(images) == image_counts.interval(images)
    assert bootstrap._resamples.cache_info().hits == 1
