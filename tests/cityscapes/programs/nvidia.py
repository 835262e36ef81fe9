"""Files that NVIDIA's hierarchical multi-scale attention writes.

Source: NVIDIA/semantic-segmentation, `utils/misc.py` (`ImageDumper`) and `datasets/base_loader.py` at 7726b14.

With `--dump_for_submission`:

* folder: `<result_dir>/submit/`, without folders of cities
* names: those of the images, `<stem>_leftImg8bit.png`
* pixels: label ids; OpenCV writes the 64-bit integers as 8-bit grey

With `--dump_all_images` only: `<result_dir>/best_images/`, with several PNGs for each image, and train ids with a
palette of colours in `<stem>_leftImg8bit_prediction.png`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cityscapes.labels import CLASSES
from tests.cityscapes.programs.drawn import Predicted, label_ids_of


def write(folder: Path, predictions: Sequence[Predicted]) -> None:
    folder.mkdir(parents=True)
    for predicted in predictions:
        Image.fromarray(label_ids_of(predicted)).save(folder / f"{predicted.stem}_leftImg8bit.png")


def write_best_images(folder: Path, predictions: Sequence[Predicted]) -> None:
    """The files without `--dump_for_submission`."""
    folder.mkdir(parents=True)
    for predicted in predictions:
        name = f"{predicted.stem}_leftImg8bit"
        colours = _with_palette(predicted.train_ids)
        image = Image.new("RGB", colours.size)
        image.save(folder / f"{name}_input.png")
        colours.save(folder / f"{name}_gt.png")
        colours.save(folder / f"{name}_prediction.png")
        Image.blend(image, colours.convert("RGB"), 0.4).save(folder / f"composited_{name}.png")


def _with_palette(train_ids: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(train_ids).convert("P")
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(CLASSES)] = CLASSES.colors
    image.putpalette(palette.tobytes())
    return image
