"""A small submission of the instance task: four images of 32 x 16, each with a text file and two masks."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZE = (32, 16)
STEMS = [f"{city}_000000_{frame:06d}" for city in ("berlin", "bonn") for frame in (19, 20)]
LABELS = (26, 24)
"""Label ids of the two instances of each image: car and person."""


def mask(number: int = 0) -> npt.NDArray[np.uint8]:
    """A mask with one instance."""
    pixels = np.zeros(SIZE[::-1], np.uint8)
    pixels[4:10, 4 + 8 * number : 10 + 8 * number] = 255
    return pixels


def png(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", **options)
    return file.getvalue()


def write(folder: Path, stem: str) -> None:
    """Write the text file and the masks of an image."""
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, label in enumerate(LABELS):
        (folder / f"masks/{stem}_{number}.png").write_bytes(png(mask(number)))
        lines.append(f"masks/{stem}_{number}.png {label} 0.{9 - number}\n")
    (folder / f"{stem}.txt").write_text("".join(lines))


def write_images(root: Path) -> None:
    """Write the images of the test split to a data folder."""
    for stem in STEMS:
        path = root / "leftImg8bit/test" / stem.split("_", maxsplit=1)[0] / f"{stem}_leftImg8bit.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(np.zeros((*SIZE[::-1], 3), np.uint8)))
