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
from cityscapes.layout import GENERATED

_JSON, _FOLDER = file_names("val")


def prepare(folder: Path, samples: Path, images: int) -> Comparison:
    """Copy official instance masks, and return the contenders; see `Comparison`."""
    root, theirs = folder / "data", folder / "official"
    for _ in copy_scenes(samples, root, images):
        pass
    ours = by_workers("generate_gt.py", "--root", str(root), "--panoptic")

    def clear() -> None:
        """Remove our files, which would be skipped, but keep those of the official script for the comparison."""
        shutil.rmtree(root / GENERATED, ignore_errors=True)
        theirs.mkdir(exist_ok=True)

    def compare() -> dict[str, Any]:
        return _differences(theirs, root / GENERATED)

    return Comparison(
        what="make panoptic ground truth of full size from official instanceIds",
        contenders={OFFICIAL: official("panoptic_gt", str(root / "gtFine"), str(theirs)), **ours},
        compare=compare,
        variables={},
        clear=clear,
    )


def _differences(theirs: Path, ours: Path) -> dict[str, Any]:
    """The pixels, PNGs and fields of the JSON that differ."""
    pngs = {path.name for folder in (theirs, ours) for path in (folder / _FOLDER).glob("*.png")}
    pixels = [_differing_pixels(*(folder / _FOLDER / name for folder in (theirs, ours))) for name in sorted(pngs)]
    texts = [(folder / _JSON).read_bytes() for folder in (theirs, ours)]
    return {
        "differing_pixels": sum(pixels),
        "differing_pngs": sum(map(bool, pixels)),
        "json_is_equal": json.loads(texts[0]) == json.loads(texts[1]),
        "json_has_equal_bytes": texts[0] == texts[1],
    }


def _differing_pixels(first: Path, second: Path) -> int:
    one, other = (np.asarray(Image.open(path)) for path in (first, second))
    if one.shape != other.shape:
        return max(one.size, other.size) // 3
    return int(np.count_nonzero((one != other).any(-1)))
