"""A small data set for tests of the doctor, and its output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from cityscapes.layout import Scene

SIZE = (32, 16)
ROAD = {"label": "road", "polygon": [[0, 0], [31, 0], [31, 15], [0, 15]]}
LABEL_IDS = np.full((16, 32), 7, np.uint8)
SCENES = [
    Scene(split, city, f"{city}_000000_{frame:06d}")
    for split, city in (("train", "aachen"), ("val", "lindau"), ("test", "bonn"))
    for frame in range(2)
]
FIRST = SCENES[0]


def save(path: Path, pixels: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def annotate(path: Path, *objects: dict[str, Any], size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgWidth": size[0], "imgHeight": size[1], "objects": objects}))


class DoctorOutput(NamedTuple):
    """The printed lines of the doctor: the table, then one line for each finding."""

    table: list[str]
    faults: list[str]
    notes: list[str]


RunDoctor = Callable[[int], DoctorOutput]


def coarse(root: Path, split: str, stem: str, *, image: bool = True) -> None:
    city = stem.split("_", maxsplit=1)[0]
    annotate(root / f"gtCoarse/{split}/{city}/{stem}_gtCoarse_polygons.json", ROAD)
    save(root / f"gtCoarse/{split}/{city}/{stem}_gtCoarse_labelIds.png", LABEL_IDS)
    if image:
        save(Scene(split, city, stem).image(root), np.zeros((16, 32, 3), np.uint8))
