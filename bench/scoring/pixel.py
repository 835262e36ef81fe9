"""The pixel task: our scorer, the official one, and decoding alone."""

from pathlib import Path

import numpy as np

from bench.scoring.comparison import OFFICIAL, Comparison, by_workers, largest_difference, official
from bench.scoring.scenes import copy_scenes
from engine.files.images import read_ids, write_png

_DECODE = """
import sys
from pathlib import Path
from cityscapes.layout import scenes_with_label_ids
from cityscapes.predictions import find
from engine.files.images import read_ids
root, predictions = map(Path, sys.argv[1:])
found = find(predictions)
for scene in scenes_with_label_ids(root, "val"):
    read_ids(found.by_stem[scene.stem][0])
    for kind in ("labelIds", "instanceIds"):
        read_ids(scene.official_mask(root, kind))
"""


def prepare(folder: Path, samples: Path, images: int) -> Comparison:
    """Write shifted masks as label-id PNGs, and return the contenders; see `Comparison`."""
    root, predictions = folder / "data", folder / "predictions"
    rng = np.random.default_rng(0)
    for real, scene in copy_scenes(samples, root, images):
        label_ids = read_ids(real.official_mask(samples, "labelIds"))
        shift = rng.integers(-8, 9, 2)
        write_png(predictions / f"{scene.stem}.png", np.roll(label_ids, tuple(shift), (0, 1)))
    theirs = folder / "official"
    theirs.mkdir()
    files = ["--predictions", str(predictions), "--root", str(root)]
    ours = by_workers("-m", "cityscapes.scoring", *files)

    def compare() -> dict[str, float]:
        reference = next(theirs.glob("*.json"))
        return {"largest_difference": max(largest_difference(reference, folder / f"{name}.json") for name in ours)}

    return Comparison(
        what="score full-size triples of prediction, labelIds and instanceIds",
        contenders={
            OFFICIAL: official("pixel"),
            **{name: [*arguments, "--output", str(folder / f"{name}.json")] for name, arguments in ours.items()},
            "decoding alone": ["-c", _DECODE, str(root), str(predictions)],
        },
        compare=compare,
        variables={
            "CITYSCAPES_DATASET": str(root),
            "CITYSCAPES_RESULTS": str(predictions),
            "CITYSCAPES_EXPORT_DIR": str(theirs),
        },
    )
