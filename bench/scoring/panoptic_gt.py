"""Panoptic ground truth: our command and the official converter, which has one process."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.scoring.comparison import OFFICIAL, Comparison, by_workers, official
from bench.scoring.scenes import copy_scenes
from cityscapes.formats.panoptic import file_names
from cityscapes.layout import ANNOTATIONS, GENERATED

_JSON, _FOLDER = file_names("val")


def prepare(folder: Path, samples: Path, images: int) -> Comparison:
    """Copy the annotations, once for each contender, and return the contenders; see `Comparison`."""
    commands = by_workers("generate_gt.py", "--panoptic", "--from_labels")
    scenes = [list(copy_scenes(samples, folder / name, images)) for name in (OFFICIAL, *commands)]
    if all(real.polygons(samples).is_file() for real, _ in scenes[0]):
        name = "2 workers, from polygons"
        commands[name] = ["generate_gt.py", "--panoptic", "--workers", "2"]
        list(copy_scenes(samples, folder / name, images))
    theirs = folder / OFFICIAL / GENERATED

    def clear(name: str) -> None:
        """Remove what a contender wrote before, because our command would skip it."""
        shutil.rmtree(folder / name / GENERATED, ignore_errors=True)
        theirs.mkdir(exist_ok=True)

    def compare() -> dict[str, Any]:
        found = [_differences(theirs, folder / name / GENERATED) for name in commands]
        return {key: max(differences[key] for differences in found) for key in found[0]}

    return Comparison(
        what="make panoptic ground truth of full size from official instanceIds or polygons; ours makes masks of train "
        "ids and colours as well, and from polygons also of label ids",
        contenders={
            OFFICIAL: official("panoptic_gt", str(folder / OFFICIAL / ANNOTATIONS), str(theirs)),
            **{name: [*arguments, "--root", str(folder / name)] for name, arguments in commands.items()},
        },
        compare=compare,
        variables={},
        clear=clear,
    )


def _differences(theirs: Path, ours: Path) -> dict[str, int]:
    """The pixels, the PNGs and the bytes of the JSON file that differ."""
    pngs = sorted({path.name for folder in (theirs, ours) for path in (folder / _FOLDER).glob("*.png")})
    pixels = [_differing_pixels(theirs / _FOLDER / name, ours / _FOLDER / name) for name in pngs]
    texts = [(folder / _JSON).read_bytes() for folder in (theirs, ours)]
    return {
        "differing_pixels": sum(pixels),
        "differing_pngs": sum(map(bool, pixels)),
        "differing_json_files": int(json.loads(texts[0]) != json.loads(texts[1])),
        "json_files_with_other_bytes": int(texts[0] != texts[1]),
    }


def _differing_pixels(first: Path, second: Path) -> int:
    one, other = (np.asarray(Image.open(path)) for path in (first, second))
    if one.shape != other.shape:
        return max(one.size, other.size) // 3
    return int(np.count_nonzero((one != other).any(-1)))
