"""Made-up images, where there is no data."""

import numpy as np

from engine.images import UInt8Array


def synthetic_image(size: tuple[int, int]) -> UInt8Array:
    """A (H, W, 3) image of smooth colours with some noise, the same for the same size."""
    height, width = size
    rows, columns = np.ogrid[:height, :width]
    smooth = [128 + 90 * np.sin(rows / (31 + 9 * band) + band) * np.cos(columns / (47 - 8 * band)) for band in range(3)]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 1))
    return (np.stack(smooth, -1) + noise).clip(0, 255).astype(np.uint8)
