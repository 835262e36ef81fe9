import math

import numpy as np
import pytest

from cityscapes.scoring.panoptic import images
from cityscapes.scoring.panoptic.matching import NAMES, PanopticCounts
from cityscapes.scoring.panoptic.quality import GROUPS, average, qualities, total
from engine import bootstrap
from tests.cityscapes.scoring.panoptic.drawn_counts import draw_result


def mean_pq(listed: list[PanopticCounts]) -> float:
    return average(qualities(*total(listed)[1:]), GROUPS["All"]).pq


def test_the_interval_is_that_of_images_that_occur_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)
    listed = draw_result(0, 6).images
    drawn = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), 100)
    expected = [
        mean_pq([image for image, number in zip(listed, numbers, strict=True) for _ in range(number)])
        for numbers in drawn.tolist()
    ]
    assert images.interval(listed) == pytest.approx(tuple(np.quantile(expected, [0.025, 0.975])), abs=1e-12)


def test_the_interval_holds_the_mean_and_is_in_the_result() -> None:
    result = draw_result(1, 8)
    low, high = result.to_json()["pqInterval"]
    assert low < result.averages["All"].pq < high
    assert result.remark().startswith(f"mean PQ {100 * low:.1f} to {100 * high:.1f} in 95% of 2000 resamples of 8 im")
    assert images.difference(result.images, result.images) == (0, 0)


def test_the_figures_of_images_are_those_of_each_image_alone() -> None:
    zeros = np.zeros(len(NAMES), np.int64)
    blank = PanopticCounts("ulm_000009_000019", zeros.astype(float), zeros, zeros, zeros)
    listed = [blank, *draw_result(2, 5).images]
    frame = images.to_dataframe(listed)
    assert frame["PQ"].iloc[:-1].is_monotonic_increasing
    rows = {row["image"]: row for row in frame.to_dict("records")}
    assert math.isnan(rows[blank.stem]["PQ"])
    assert list(rows)[-1] == blank.stem
    for image in listed[1:]:
        row = rows[image.stem]
        alone = qualities(*image[1:])
        for figure, mean in zip(("PQ", "SQ", "RQ"), average(alone, GROUPS["All"]), strict=False):
            assert row[figure] == pytest.approx(mean, abs=1e-12)
        assert [row[name] for name in NAMES] == pytest.approx(alone.pq.tolist(), abs=1e-12, nan_ok=True)
        parts = [row[name] for name in ("true positives", "false positives", "missed")]
        assert parts == [image.tp.sum(), image.fp.sum(), image.fn.sum()]


def test_the_counts_survive_a_file() -> None:
    listed = draw_result(3, 4).images
    read = images.from_json({image.stem: image.to_json() for image in listed})
    for image, again in zip(listed, read, strict=True):
        assert again.stem == image.stem
        assert again.iou.tolist() == image.iou.tolist()
        assert all((getattr(again, part) == getattr(image, part)).all() for part in ("tp", "fp", "fn"))


ZEROS: list[float] = [0] * len(NAMES)
DAMAGED: list[dict[str, list[float]]] = [
    {"iou": ZEROS[1:]},
    {"tp": [*ZEROS[1:], 1]},
    {"iou": [*ZEROS[1:], 0.6]},
    {"fp": [*ZEROS[1:], -1]},
    {"fn": [*ZEROS[1:], 0.5]},
    {"fp": [*ZEROS[1:], 10**400]},
    {"iou": [*ZEROS[1:], math.nan]},
    {"iou": [*ZEROS[1:], 10**400]},
]


@pytest.mark.parametrize("change", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_counts_are_refused(change: dict[str, list[float]]) -> None:
    whole = dict.fromkeys(("iou", "tp", "fp", "fn"), ZEROS)
    images.from_json({"a": whole})
    with pytest.raises(ValueError, match="expected"):
        images.from_json({"a": whole | change})


def test_the_interval_of_a_class_holds_its_quality() -> None:
    listed = draw_result(3, 8).images
    found = images.class_intervals(listed)
    assert len(found) == len(NAMES)
    assert all(map(math.isnan, found[-1]))  # never occurs
    for (low, high), quality in zip(found[:-1], qualities(*total(listed)[1:]).pq[:-1].tolist(), strict=True):
        assert low <= quality <= high
