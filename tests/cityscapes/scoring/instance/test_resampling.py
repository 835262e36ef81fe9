import numpy as np
import pytest

from cityscapes.scoring.instance import images
from cityscapes.scoring.instance.average_precision import (
    OVERLAPS,
    Detections,
    ImageDetections,
    average_precisions,
)
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.resampling import class_aps
from tests.cityscapes.scoring.instance.drawn_detections import NONE, draw_images


@pytest.mark.parametrize("seed", range(6))
def test_a_resample_scores_as_images_that_occur_several_times(seed: int) -> None:
    listed = draw_images(seed, 5)
    drawn = np.random.default_rng(seed).multinomial(5, np.full(5, 0.2), 40)
    found = class_aps(images.by_class(listed))(drawn)
    for numbers, aps in zip(drawn.tolist(), found, strict=True):
        multiset = [image for image, number in zip(listed, numbers, strict=True) for _ in range(number)]
        expected = average_precisions(multiset)
        np.testing.assert_allclose(aps, expected.mean(1), rtol=0, atol=1e-12)


def test_the_average_precision_of_a_few_detections() -> None:
    """Precision 1, 1/2, 2/3 and 2/4 at falling confidence; recall 1/4 and 2/4; trapezoids between them."""
    outcomes = np.repeat(np.array([[1], [0], [1], [0], [-1]], np.int8), len(OVERLAPS), 1)
    person = Detections(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), outcomes, 4)
    image = ImageDetections("ulm_000000_000019", (person, *[NONE] * (len(CLASSES) - 1)))
    (scores,) = class_aps(images.by_class([image]))(np.array([[1]]))
    assert scores[0] == pytest.approx((1 + 1) / 2 / 4 + (1 / 2 + 2 / 3) / 2 / 4, abs=1e-15)
    assert np.isnan(scores[1:]).all()


def test_many_detections_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = draw_images(1, 6)
    whole = images.interval(listed)
    monkeypatch.setattr("cityscapes.scoring.instance.resampling._AT_ONCE", 40)
    assert images.interval(listed) == whole
