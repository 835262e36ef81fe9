"""Matched segments of images, drawn at random for the tests of intervals and comparisons."""

from collections import Counter

import numpy as np

from cityscapes.scoring.coverage import Coverage
from cityscapes.scoring.panoptic.matching import NAMES, PanopticCounts
from cityscapes.scoring.panoptic.result import PanopticResult


def draw_image(rng: np.random.Generator, number: int) -> PanopticCounts:
    """An image with about half of the classes; the last class never occurs."""
    tp, fp, fn = rng.integers(0, 4, (3, len(NAMES))) * (rng.random(len(NAMES)) < 0.5)
    tp[-1] = fp[-1] = fn[-1] = 0
    return PanopticCounts(f"ulm_{number:06}_000019", tp * rng.uniform(0.5, 1, len(NAMES)), tp, fp, fn)


def draw_result(seed: int, number: int) -> PanopticResult:
    rng = np.random.default_rng(seed)
    images = tuple(draw_image(rng, image) for image in range(number))
    return PanopticResult(images, Coverage.of("val", [image.stem for image in images], Counter(), 0))
