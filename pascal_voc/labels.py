"""Label table and palette of Pascal VOC."""

import numpy as np
import numpy.typing as npt

from engine.benchmark import ClassTable

VOID = 255
"""Id of border pixels and difficult objects, which are neither trained on nor scored."""

NAMES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv/monitor",
)


def palette_color(index: int) -> tuple[int, int, int]:
    """Colour of an index by the rule of the development kit: red, green and blue from 0 to 255.

    Bits 0, 1, 2 of the index become the highest bits of red, green, blue; bits 3, 4, 5 the next ones; and so on.
    """
    red = green = blue = 0
    for bit in range(8):
        red |= (index >> 3 * bit & 1) << 7 - bit
        green |= (index >> 3 * bit + 1 & 1) << 7 - bit
        blue |= (index >> 3 * bit + 2 & 1) << 7 - bit
    return red, green, blue


PALETTE: npt.NDArray[np.uint8] = np.array([palette_color(index) for index in range(256)], np.uint8)
"""(256, 3) uint8 RGB colour of each index, as in the official PNGs."""

CLASSES = ClassTable(names=NAMES, colors=tuple(palette_color(index) for index in range(len(NAMES))), void=VOID)
"""Background and the 20 classes, in the order of their indices."""
