"""Result files of the scorers of all benchmarks -> scores."""

import functools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cityscapes.labels import BY_NAME
from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.instance.matching import CLASSES
from cityscapes.scoring.instance.result import InstanceResult
from cityscapes.scoring.panoptic.matching import NAMES as PANOPTIC_NAMES
from cityscapes.scoring.pixel import images as pixel_images
from cityscapes.scoring.pixel.counts import Counts
from cityscapes.scoring.pixel.images import NAMES
from cityscapes.scoring.pixel.result import ScoringResult
from cityscapes.scoring.pixel.scores import scores_of
from engine import image_counts
from engine.errors import InputError
from engine.files.atomic import write_json
from engine.image_counts import ImageCounts
from engine.scoring import Scores
from kitti_road import counts as road_counts
from kitti_road.measures import scores_of as road_scores_of
from kitti_road.result import to_json
from pascal_voc.labels import CLASSES as VOC
from report.sources import scores
from report.sources.scores.figures import Reading
from tests.cityscapes.scoring.instance.drawn_detections import draw_images
from tests.cityscapes.scoring.panoptic.drawn_counts import draw_result


def read(path: Path, content: Any) -> Reading:
    """The reading of a file with this content."""
    write_json(path, content)
    return scores.read(path, json.loads(path.read_text()))


def some_scores(images: int = 3) -> Scores:
    """Scores of VOC; its last class does not occur."""
    rng = np.random.default_rng(0)
    total = np.zeros((21, 22), np.int64)
    counts = []
    for number in range(images):
        confusion = rng.integers(0, 100, (21, 22))
        confusion[-1], confusion[:, 20] = 0, 0
        total += confusion
        hits = confusion.diagonal().copy()
        counts.append(ImageCounts(f"2007_{number}", hits, confusion.sum(1) + confusion[:, :-1].sum(0) - hits))
    return Scores(total, VOC.names, images, 736, tuple(counts))


def test_a_result_of_voc(tmp_path: Path) -> None:
    measured = some_scores()
    reading = read(tmp_path / "scores.json", measured.to_json())
    assert (reading.benchmark, reading.split) == ("pascal_voc", "")
    found = reading.scores
    assert dict(found.averages) == pytest.approx(
        {
            "mIoU": measured.summary()["miou"],
            "mean Dice": measured.summary()["mean_dice"],
            "mean accuracy": measured.summary()["mean_pixel_accuracy"],
            "pixel accuracy": measured.pixel_accuracy,
        }
    )
    assert next(iter(found.averages)) == "mIoU"
    assert found.interval == pytest.approx(tuple(measured.interval))
    assert [of.name for of in found.classes] == list(VOC.names)
    assert dict(found.classes[0].figures) == pytest.approx(
        {"IoU": measured.iou[0], "Dice": measured.dice[0], "accuracy": measured.accuracy[0]}
    )
    assert found.classes[0].interval is not None
    assert found.classes[0].interval.low <= measured.iou[0] <= found.classes[0].interval.high
    assert (found.classes[-1].figures["IoU"], found.classes[-1].interval) == (None, None)
    assert [image.stem for image in found.images] == ["2007_0", "2007_1", "2007_2"]
    assert found.confusion is not None
    np.testing.assert_array_equal(found.confusion.counts, measured.confusion)
    assert found.confusion.columns[-1] == "no class"
    assert (found.official, found.coverage) == (False, measured.coverage)


def test_a_result_of_an_earlier_version_has_no_counts_of_images(tmp_path: Path) -> None:
    content = some_scores().to_json()
    for key in ("counts", "confusion", "miou_interval"):
        del content[key]
    found = read(tmp_path / "scores.json", content).scores
    assert (found.images, found.confusion, found.interval) == ((), None, None)
    assert found.classes[0].interval is None


def test_a_result_whose_images_are_of_another_one_is_refused(tmp_path: Path) -> None:
    content = some_scores().to_json() | {"counts": some_scores(2).to_json()["counts"]}
    with pytest.raises(InputError, match="not a single result"):
        read(tmp_path / "scores.json", content)


def test_a_result_of_the_panoptic_task(tmp_path: Path) -> None:
    measured = draw_result(1, 8)
    reading = read(tmp_path / "panoptic.json", measured.to_json())
    assert (reading.benchmark, reading.split, reading.scores.task) == ("cityscapes", "val", "panoptic")
    found = reading.scores
    assert list(found.averages)[:3] == ["PQ", "SQ", "RQ"]
    assert found.averages["PQ"] == pytest.approx(measured.averages["All"].pq)
    assert found.averages["RQ things"] == pytest.approx(measured.averages["Things"].rq)
    assert found.interval == pytest.approx(tuple(measured.interval))
    assert [of.name for of in found.classes] == list(PANOPTIC_NAMES)
    interval = found.classes[0].interval
    assert interval is not None
    assert interval.low <= (found.classes[0].figures["PQ"] or 0) <= interval.high
    assert found.coverage.startswith("8 scenes of val, not the official 500")


def test_a_result_of_the_instance_task(tmp_path: Path) -> None:
    images = tuple(draw_images(2, 8))
    stems = [image.stem for image in images]
    measured = InstanceResult(images, np.zeros((10, 9), np.int64), Coverage.of("val", stems, Counter(), 0))
    reading = read(tmp_path / "instance.json", measured.to_json())
    assert (reading.benchmark, reading.split, reading.scores.task) == ("cityscapes", "val", "instance")
    found = reading.scores
    assert list(found.averages) == ["AP", "AP50%"]
    assert found.averages["AP"] == pytest.approx(np.nanmean(measured.precisions))
    assert found.interval == pytest.approx(tuple(measured.interval))
    assert [of.name for of in found.classes] == list(CLASSES)
    interval, ap = found.classes[0].interval, found.classes[0].figures["AP"]
    assert interval is not None
    assert ap is not None
    assert interval.low <= ap <= interval.high


def test_a_result_of_the_instance_task_of_an_earlier_version_has_no_intervals_of_classes(tmp_path: Path) -> None:
    images = tuple(draw_images(2, 2))
    coverage = Coverage.of("val", [image.stem for image in images], Counter(), 0)
    content = InstanceResult(images, np.zeros((10, 9), np.int64), coverage).to_json()
    del content["classApIntervals"]
    found = read(tmp_path / "instance.json", content).scores
    assert {of.interval for of in found.classes} == {None}
    assert found.interval is not None


def test_a_result_of_kitti_road_in_one_space(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = road_counts.Counts(rng.integers(0, 50, 256), rng.integers(0, 50, 256))
    sets = {"um_road": road_scores_of(counts), "urban_road": road_scores_of(counts.plus(counts))}
    reading = read(tmp_path / "road.json", to_json(sets, "val", "image"))
    assert (reading.benchmark, reading.split, reading.scores.task) == ("kitti_road", "val", "road")
    assert reading.scores.averages == pytest.approx(sets["urban_road"].columns)
    assert [of.name for of in reading.scores.classes] == ["um_road", "urban_road"]
    assert reading.scores.coverage == "in the image"


def test_a_result_of_kitti_road_in_both_spaces_is_that_of_the_server(tmp_path: Path) -> None:
    one, two = (road_scores_of(road_counts.Counts(np.full(256, number), np.arange(256))) for number in (1, 9))
    spaces = {"image": to_json({"um_lane": one}, "val", "image"), "bev": to_json({"um_lane": two}, "val", "bev")}
    reading = read(tmp_path / "scores.json", spaces)
    assert reading.benchmark == "kitti_lane"
    assert reading.scores.averages["MaxF"] == pytest.approx(two.max_f)
    assert reading.scores.averages["MaxF in the image"] == pytest.approx(one.max_f)


@pytest.mark.parametrize("content", [{}, [], 3, None, "text", {"miou": 1}, {"coverage": {}}])
def test_content_of_another_kind_is_not_a_result(tmp_path: Path, content: Any) -> None:
    assert scores.kind_of(content) is None
    with pytest.raises(InputError, match="expected the result of a scorer"):
        read(tmp_path / "scores.json", content)


def pixel_result(images: int = 4) -> ScoringResult:
    """A result of the pixel task in which no image has a train."""
    rng = np.random.default_rng(7)
    train = BY_NAME["train"].id
    counts = []
    for _ in range(images):
        confusion = rng.integers(0, 100, (34, 34)) + 900 * np.eye(34, dtype=np.int64)
        confusion[train], confusion[:, train] = 0, 0
        instances = rng.integers(1, 5, 34)
        hits = confusion.diagonal() * rng.uniform(0.5, 1, 34)
        counts.append(Counts(confusion, instances, hits, hits))
    total = functools.reduce(Counts.plus, counts)
    of_images = [pixel_images.count(f"ulm_{number:06}_000019", of.confusion) for number, of in enumerate(counts)]
    coverage = Coverage.of("val", [image.stem for image in of_images], Counter({(2048, 1024): images}), 0)
    return ScoringResult(scores_of(total), tuple(of_images), None, coverage)


def test_a_result_of_the_pixel_task(tmp_path: Path) -> None:
    measured = pixel_result()
    reading = read(tmp_path / "scores.json", measured.to_json())
    assert (reading.benchmark, reading.split, reading.scores.task) == ("cityscapes", "val", "pixel")
    found, official = reading.scores, measured.scores.to_json()
    assert list(found.averages) == ["IoU", "iIoU", "category IoU", "category iIoU"]
    assert found.averages["category iIoU"] == pytest.approx(official["averageScoreInstCategories"])
    assert [of.name for of in found.classes] == list(NAMES)
    of = {one.name: one for one in found.classes}
    assert of["car"].figures == pytest.approx(
        {"IoU": measured.scores.classes["car"], "iIoU": measured.scores.class_instances["car"]}
    )
    assert of["road"].figures["iIoU"] is None
    assert (of["train"].figures["IoU"], of["train"].interval) == (None, None)
    interval, iou = of["car"].interval, of["car"].figures["IoU"]
    assert interval is not None
    assert iou is not None
    assert interval.low <= iou <= interval.high
    assert found.interval == pytest.approx(tuple(image_counts.interval(measured.images)))
    assert found.confusion is not None
    assert found.confusion.counts.shape == (19, 20)
    car = NAMES.index("car")
    assert found.confusion.counts[car, car] == measured.scores.confusion[BY_NAME["car"].id, BY_NAME["car"].id]
    assert found.confusion.counts[car].sum() == measured.scores.confusion[BY_NAME["car"].id].sum()
    assert (found.official, len(found.images)) == (False, 4)


def test_a_result_of_the_official_scorer_has_no_images_and_nan_for_missing_classes(tmp_path: Path) -> None:
    content = pixel_result().scores.to_json()
    path = tmp_path / "resultPixelLevelSemanticLabeling.json"
    path.write_text(json.dumps(content))
    assert "NaN" in path.read_text()
    reading = scores.read(path, json.loads(path.read_text()))
    assert (reading.split, reading.scores.coverage, reading.scores.official) == ("", "", None)
    assert (reading.scores.images, reading.scores.interval) == ((), None)
    assert {of.interval for of in reading.scores.classes} == {None}
    assert reading.scores.averages["IoU"] == pytest.approx(content["averageScoreClasses"])


def test_boundary_iou_is_a_further_figure(tmp_path: Path) -> None:
    borders = dict.fromkeys(NAMES, 0.25)
    found = read(tmp_path / "scores.json", pixel_result().to_json() | {"boundaryScores": borders}).scores
    assert found.classes[0].figures["boundary IoU"] == 0.25


@pytest.mark.parametrize(
    "matrix", [[[1]], [["a"] * 34] * 34, [[-1] * 34] * 34, [[0.5] * 34] * 34, [[1 << 60] * 34] * 34, 3]
)
def test_a_confusion_matrix_of_another_form_is_refused(tmp_path: Path, matrix: Any) -> None:
    with pytest.raises(ValueError, match="expected a confusion matrix of 34 x 34 whole numbers"):
        read(tmp_path / "scores.json", pixel_result().to_json() | {"confMatrix": matrix})
