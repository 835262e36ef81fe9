"""The instance task: our scorer and the official one, which can keep the sizes of instances from an earlier run."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.scoring.comparison import OFFICIAL, Comparison, by_workers, largest_difference, official
from bench.scoring.scenes import copy_scenes
from cityscapes.formats.instance import LABELS_WITH_INSTANCES
from engine.arrays import IdArray
from engine.files.atomic import write_text
from engine.files.images import read_ids

_CACHED = "official, with the ground truth of an earlier run"
_INSTANCES = 16
"""Most instances of an image that are predicted."""
_FALSE = 4
"""False positives of an image."""


def prepare(folder: Path, samples: Path, images: int) -> Comparison:
    """Write shifted instances as text files and masks, and return the contenders; see `Comparison`."""
    root, predictions, theirs = folder / "data", folder / "predictions", folder / "official"
    theirs.mkdir()
    predictions.mkdir()
    rng = np.random.default_rng(0)
    masks = 0
    for real, scene in copy_scenes(samples, root, images):
        masks += _predict(predictions, scene.stem, read_ids(real.official_mask(samples, "instanceIds")), rng)
    files = ["--task", "instance", "--predictions", str(predictions), "--root", str(root)]
    ours = by_workers("-m", "cityscapes.scoring", *files)

    def compare() -> dict[str, float]:
        reference = theirs / "scores.json"
        return {"largest_difference": max(largest_difference(reference, folder / f"{name}.json") for name in ours)}

    return Comparison(
        what=f"score {masks} instance masks of full size, 8-bit grey PNGs of Pillow",
        contenders={
            OFFICIAL: official("instance", str(theirs), "new"),
            _CACHED: official("instance", str(theirs), "keep"),
            **{name: [*arguments, "--output", str(folder / f"{name}.json")] for name, arguments in ours.items()},
        },
        compare=compare,
        variables={"CITYSCAPES_DATASET": str(root), "CITYSCAPES_RESULTS": str(predictions)},
    )


def _predict(folder: Path, stem: str, instance_ids: IdArray, rng: np.random.Generator) -> int:
    """Write the predictions of a scene: some of its instances, shifted by a few pixels, and some of them far away.

    Returns:
        Number of masks.
    """
    labels = [label.id for label in LABELS_WITH_INSTANCES]
    ids = [number for number in np.unique(instance_ids).tolist() if number // 1000 in labels]
    chosen = rng.permutation(ids)[:_INSTANCES].tolist() if ids else []
    lines = []
    for number in range(len(chosen) + (_FALSE if chosen else 0)):
        near = number < len(chosen)
        instance = chosen[number % len(chosen)]
        shift = rng.integers(-4, 5, 2) if near else rng.integers(100, 400, 2)
        name = f"masks/{stem}_{number}.png"
        _write_mask(folder / name, np.roll(instance_ids == instance, tuple(shift), (0, 1)))
        lines.append(f"{name} {instance // 1000} {rng.uniform(0.5 if near else 0, 1):.4f}\n")
    write_text(folder / f"{stem}_pred.txt", "".join(lines))
    return len(lines)


def _write_mask(path: Path, mask: npt.NDArray[np.bool_]) -> None:
    """Write a mask as most programs do."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(path)
