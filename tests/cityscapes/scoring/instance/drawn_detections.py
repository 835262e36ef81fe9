"""Outcomes of predictions of images, drawn at random for the tests of intervals and comparisons."""

import numpy as np

from cityscapes.scoring.instance.average_precision import OVERLAPS, Detections, ImageDetections
from cityscapes.scoring.instance.matching import CLASSES

NONE = Detections(np.zeros(0), np.zeros((0, len(OVERLAPS)), np.int8), 0)
"""Outcomes of a class without predictions and instances."""


def draw_image(rng: np.random.Generator, number: int) -> ImageDetections:
    """An image with some classes, equal confidences, ignored predictions, and right ones up to some overlap."""
    return ImageDetections(f"ulm_{number:06}_000019", tuple(_draw_class(rng) for _ in CLASSES))


def _draw_class(rng: np.random.Generator) -> Detections:
    number = int(rng.integers(0, 6)) * int(rng.integers(0, 2))
    right = rng.integers(-3, len(OVERLAPS) + 1, number)  # number of overlaps at which a prediction is right
    outcomes = (np.arange(len(OVERLAPS)) < right[:, None]).astype(np.int8)
    outcomes[(rng.random(number) < 0.2) & (right <= 0)] = -1
    instances = int((right > 0).sum()) + int(rng.integers(0, 3)) * int(rng.integers(0, 2))
    return Detections(rng.integers(0, 8, number) / 8, outcomes, instances)


def draw_images(seed: int, number: int) -> list[ImageDetections]:
    rng = np.random.default_rng(seed)
    return [draw_image(rng, image) for image in range(number)]
