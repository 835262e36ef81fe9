"""A small submission of the panoptic task: four images of 32 x 16 with three segments."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cityscapes.formats import panoptic
from tests.cityscapes.drawn_instance_submission import SIZE, STEMS, png, write_images

__all__ = ["FOLDER", "JSON_NAME", "SIZE", "STEMS", "change", "ids", "png", "write_all", "write_images"]

JSON_NAME, FOLDER = panoptic.file_names("test")
SEGMENTS = {7: 7, 26001: 26, 24001: 24}
"""Id of each segment -> label id: road, car and person."""


def ids() -> npt.NDArray[np.uint32]:
    """Segment ids of an image."""
    pixels = np.full(SIZE[::-1], 7, np.uint32)
    pixels[4:10, 4:10], pixels[4:10, 14:18], pixels[:2] = 26001, 24001, 0
    return pixels


def write_all(folder: Path) -> None:
    """Write the JSON file and the PNGs of all images."""
    (folder / FOLDER).mkdir(parents=True)
    annotations = []
    for stem in STEMS:
        (folder / FOLDER / f"{stem}_panoptic.png").write_bytes(panoptic.encode(ids()))
        segments = [{"id": segment, "category_id": label} for segment, label in SEGMENTS.items()]
        annotations.append({"image_id": stem, "file_name": f"{stem}_panoptic.png", "segments_info": segments})
    (folder / JSON_NAME).write_text(json.dumps({"annotations": annotations}))


def change(edit: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    """A function that edits the annotations in the JSON file of a folder."""

    def spoil(folder: Path) -> None:
        document = json.loads((folder / JSON_NAME).read_text())
        edit(document["annotations"])
        (folder / JSON_NAME).write_text(json.dumps(document))

    return spoil
