"""Encoded scenes: sizes, exact ids, counts and faults."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.errors import InputError
from engine.files.images import write_png
from report.pictures.encode import Encoded, Scene, encode, rate, trial
from tests.report.pictures.drawn import CITYSCAPES, checks


def pixels(content: bytes | None) -> UInt8Array:
    """(H, W, 3) pixels of an encoded layer."""
    assert content is not None
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A scene of 100 x 60 pixels whose masks change in every pixel; every seventh row of the prediction is wrong."""
    truth = checks(100, 60, 19)
    prediction = truth.copy()
    prediction[::7] = (prediction[::7] + 1) % 19
    paths = [tmp_path / f"{name}.png" for name in ("image", "truth", "prediction")]
    write_png(paths[0], np.stack([truth * 10] * 3, axis=-1))
    write_png(paths[1], truth)
    write_png(paths[2], CITYSCAPES.prediction_ids[prediction])
    return Scene("cityscapes", Sample("city/name", paths[0], paths[1]), (paths[2], None))


def test_small_layers_keep_every_pixel(scene: Scene) -> None:
    encoded = encode(scene, 1024)
    assert encoded.full == encoded.size == (60, 100)
    truth = checks(100, 60, 19)
    assert np.array_equal(pixels(encoded.truth), np.stack([truth] * 3, axis=-1))
    predicted = pixels(encoded.predictions[0])[..., 0]
    assert np.array_equal(predicted[1], truth[1])
    assert np.array_equal(predicted[7], (truth[7] + 1) % 19)
    assert encoded.predictions[1] is None


def test_reduced_masks_have_pixels_of_the_same_positions(scene: Scene) -> None:
    encoded = encode(scene, 50)
    assert encoded.size == (30, 50)
    full = encode(scene, 100)
    for reduced, whole in ((encoded.truth, full.truth), (encoded.predictions[0], full.predictions[0])):
        assert np.array_equal(pixels(reduced), pixels(whole)[1::2, 1::2])
    assert pixels(encoded.image).shape == (30, 50, 3)


def test_counts_are_those_of_the_reduced_pixels(scene: Scene) -> None:
    encoded = encode(scene, 50)
    truth, predicted = pixels(encoded.truth)[..., 0], pixels(encoded.predictions[0])[..., 0]
    counts = encoded.counts[0]
    assert counts is not None
    assert counts.hits.tolist() == [int(((truth == c) & (predicted == c)).sum()) for c in range(19)]
    assert counts.union.tolist() == [int(((truth == c) | (predicted == c)).sum()) for c in range(19)]
    assert encoded.counts[1] is None


def test_trial_and_encoded_scene_have_the_same_bytes(scene: Scene) -> None:
    assert trial(scene, (100, 50)) == [encode(scene, 100).bytes, encode(scene, 50).bytes]


def test_rating_needs_no_image(scene: Scene) -> None:
    scene.sample.image.unlink()
    counts, nothing = rate(scene, 50)
    assert counts is not None
    assert nothing is None
    assert 0 < counts.hits.sum() < counts.union.sum()


def test_an_unreadable_image_is_an_error(scene: Scene) -> None:
    scene.sample.image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"image\.png"):
        encode(scene, 100)


def damaged(scene: Scene, content: UInt8Array | None) -> Encoded:
    """The scene after its prediction was overwritten."""
    path = scene.predictions[0]
    assert path is not None
    if content is None:
        path.write_bytes(path.read_bytes()[:40])
    else:
        write_png(path, content)
    return encode(scene, 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "prediction.png: damaged image"),
        (np.zeros((30, 100), np.uint8), "100 x 30 pixels, expected 100 x 60"),
        (np.full((60, 100), 300, np.uint16), "ids up to 300, expected 8 bits"),
    ],
)
def test_a_prediction_that_cannot_be_shown_is_a_fault(scene: Scene, content: UInt8Array | None, message: str) -> None:
    encoded = damaged(scene, content)
    assert encoded.predictions[0] is None
    assert encoded.truth is not None
    assert len(encoded.faults) == 1
    assert message in encoded.faults[0]


def test_confidences_keep_the_bound_between_the_classes(tmp_path: Path) -> None:
    confidences = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    paths = [tmp_path / f"{name}.png" for name in ("image", "confidence")]
    write_png(paths[0], np.stack([confidences] * 3, axis=-1))
    write_png(paths[1], confidences)
    encoded = encode(Scene("kitti_road", Sample("um_000000", paths[0], None), (paths[1],)), 256)
    steps = pixels(encoded.predictions[0])[0, :, 0]
    assert np.array_equal(steps >= 16, np.arange(256) >= 128)
    assert steps.max() == 31
    assert encoded.counts == (None,)
