import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityscapes.formats.instance import LABELS_WITH_INSTANCES, BoxedMask, encode_mask, read_mask
from cityscapes.labels import BY_ID
from cityscapes.scoring.instance.matching import CLASSES, GroundTruth, ImageMatches, Matcher, Pairs, Predictions
from tests.cityscapes.drawn_instances import Bools, IdMask, draw_scene, mixed


def boxed(mask: Bools) -> BoxedMask:
    return read_mask(encode_mask(mask))


def test_the_classes_are_those_of_the_official_script() -> None:
    assert CLASSES == ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")


def test_instances_and_groups_of_scored_classes_are_listed() -> None:
    ids = np.array([[7, 26, 26001, 26001], [29, 29001, 24000, 4], [999 // 37, 33012, 1, 0]], np.uint16)
    instances = GroundTruth(ids).instances
    assert dict(zip(instances.instance_id.tolist(), instances.pixels.tolist(), strict=True)) == {
        26: 1,
        27: 1,
        24000: 1,
        26001: 2,
        33012: 1,
    }
    assert [CLASSES[number] for number in instances.class_index.tolist()] == [
        "car",
        "truck",
        "person",
        "car",
        "bicycle",
    ]


def test_void_is_every_label_that_is_not_scored_but_not_its_instances() -> None:
    ids = np.array([[0, 4, 9, 14, 18, 29, 30, 29001, 30001, 7, 26, 26001]], np.uint16)
    matcher = Matcher(GroundTruth(ids))
    matcher.add(2, 0.5, boxed(np.ones(ids.shape, np.bool_)))
    predictions = matcher.matches("a").predictions
    assert predictions.void.tolist() == [7]
    assert predictions.pixels.tolist() == [12]


def naive(ids: IdMask, masks: list[tuple[int, float, Bools]]) -> ImageMatches:
    """Overlaps counted over the whole image for each instance."""
    truth = GroundTruth(ids)
    void = np.isin(ids, [label.id for label in BY_ID.values() if label.ignore_in_eval])
    rows: list[tuple[float, ...]] = []
    pairs: list[tuple[int, int, int]] = []
    for class_index, confidence, mask in masks:
        if not mask.any():
            continue
        shared = [int(((ids == number) & mask).sum()) for number in truth.instances.instance_id.tolist()]
        pairs += [(instance, len(rows), pixels) for instance, pixels in enumerate(shared) if pixels]
        rows.append((class_index, confidence, int(mask.sum()), int((mask & void).sum())))
    class_indices, confidences, pixels, outside = np.array(rows, np.float64).reshape(-1, 4).T
    predictions = Predictions(
        class_indices.astype(np.int64), confidences, pixels.astype(np.int64), outside.astype(np.int64)
    )
    shared_pixels = Pairs(*np.array(pairs, np.int64).reshape(-1, 3).T)
    return ImageMatches("a", truth.instances, predictions, shared_pixels)


@given(st.integers(0, 10_000))
def test_counting_in_boxes_equals_counting_over_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = draw_scene(rng)
    class_of = {label.id: number for number, label in enumerate(LABELS_WITH_INSTANCES)}
    drawn = [p for p in mixed(ids, rng) if p.label_id in class_of]
    masks = [(class_of[p.label_id], p.confidence, p.mask) for p in drawn]
    matcher = Matcher(GroundTruth(ids))
    for class_index, confidence, mask in masks:
        matcher.add(class_index, confidence, boxed(mask))
    ours, expected = matcher.matches("a"), naive(ids, masks)
    for part, other in zip(ours[1:], expected[1:], strict=True):
        for values, others in zip(part, other, strict=True):
            np.testing.assert_array_equal(values, others)


def test_an_image_without_predictions() -> None:
    matches = Matcher(GroundTruth(np.full((3, 4), 26001, np.uint16))).matches("a")
    assert matches.predictions.pixels.shape == (0,)
    assert matches.pairs.pixels.shape == (0,)
    assert matches.instances.pixels.tolist() == [12]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ids_of_either_depth_are_counted(dtype: type) -> None:
    truth = GroundTruth(np.array([[7, 7, 0], [26, 7, 7]], dtype))
    assert truth.size == (3, 2)
    assert truth.pixels_of[[0, 7, 26]].tolist() == [1, 4, 1]
    assert truth.pixels_of.sum() == 6
