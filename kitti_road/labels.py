"""Tasks and categories of KITTI Road, and the meaning of the pixels in its files."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.arrays import UInt8Array
from engine.benchmark import ClassTable
from engine.errors import InputError
from engine.files.images import open_image

VOID = 255
"""Train id of pixels outside the evaluation area, which are neither trained on nor scored."""

CATEGORIES_OF = {"road": ("um", "umm", "uu"), "lane": ("um",)}
"""Task -> categories: urban marked, urban with multiple marked lanes, urban unmarked."""
TASKS = tuple(CATEGORIES_OF)
SETS = ("um_lane", "um_road", "umm_road", "uu_road")
"""Sets that are scored separately: category and task."""

CLASSES_OF = {task: ClassTable(("background", task), ((255, 0, 0), (255, 0, 255)), VOID) for task in TASKS}
"""Task -> its two classes, in the colours of the ground truth."""

CONFIDENCE_OF = np.zeros(256, np.uint8)
"""(256,) uint8: train id -> confidence of a certain prediction; void becomes 0."""
CONFIDENCE_OF[1] = 255

COLOR_OF = np.zeros((256, 3), np.uint8)
"""(256, 3) uint8 RGB: confidence -> colour, from red (background) to magenta (road), as in the ground truth."""
COLOR_OF[:, 0], COLOR_OF[:, 2] = 255, np.arange(256)


def read_truth(path: Path) -> UInt8Array:
    """Read a ground truth: red > 0 is the evaluation area, and blue > 0 within it is road or lane.

    Returns:
        (H, W) uint8 of train ids: 0 background, 1 road or lane, 255 outside the evaluation area.

    Raises:
        InputError: if the file is not an 8-bit RGB image, or if its red and blue are clearly swapped.
    """
    image = open_image(path)
    if image.mode != "RGB":
        raise InputError(
            f"{path}: got an image of mode {image.mode}, expected 8-bit RGB (red background, magenta road, "
            "black outside the evaluation area); unpack data_road.zip again"
        )
    pixels = np.asarray(image)
    inside, positive = pixels[..., 0] > 0, pixels[..., 2] > 0
    if _swapped(inside, positive):
        raise InputError(
            f"{path}: {(positive & ~inside).sum()} pixels are blue and none is red, expected the reverse; red and "
            "blue are swapped, unpack data_road.zip again"
        )
    ids = positive.astype(np.uint8)
    ids[~inside] = VOID
    return ids


def _swapped(red: npt.NDArray[np.bool_], blue: npt.NDArray[np.bool_]) -> bool:
    """Whether blue is set without red, and red never without blue, unlike in official files."""
    return bool((blue & ~red).any() and not (red & ~blue).any())


def read_confidence(path: Path) -> UInt8Array:
    """Read a prediction: the confidence that each pixel is road or lane.

    Returns:
        (H, W) uint8, 0 to 255.

    Raises:
        InputError: if the file is not an image of one channel with 8 bits.
    """
    image = open_image(path)
    if image.mode != "L":
        bits = " (16 bits per pixel)" if image.mode.startswith("I") else ""
        raise InputError(
            f"{path}: got an image of mode {image.mode}{bits}, expected one channel with 8 bits of confidence, "
            "0 to 255; write the confidences as uint8 with one channel"
        )
    return np.asarray(image)
