"""Samples with their ground truth, of which Cityscapes has two kinds: drawn masks and the official ones."""

from pathlib import Path

from cityscapes import layout
from cityscapes.labels import BY_ID, TRAIN_ID_OF
from engine.arrays import UInt8Array
from engine.benchmark import Benchmark, Sample
from engine.errors import InputError
from engine.files.images import read_ids

_OFFICIAL = "labelIds"
"""Kind of the official masks, which the scorer reads."""
_LAST_ID = max(BY_ID)


def samples_of(benchmark: Benchmark, root: Path, split: str) -> list[Sample]:
    """The samples of a split.

    Those of Cityscapes have the drawn mask, otherwise the official one, or no mask if neither exists.

    Raises:
        InputError: if the split has no samples, or if masks of another benchmark are missing.
    """
    if benchmark.name != "cityscapes" or split in benchmark.hidden_splits:
        return benchmark.samples(root, split)
    layout.require_root(root)
    annotations = layout.COARSE if split in layout.COARSE_SPLITS else layout.ANNOTATIONS
    scenes = layout.scenes_with_image(root, split.removeprefix(layout.COARSE_PREFIX))
    if not scenes:
        raise InputError(f"{root / layout.IMAGES}: no image of the {split} split; unpack {layout.IMAGES} again")
    return [
        Sample(f"{scene.city}/{scene.stem}", scene.image(root), _mask(scene, root, annotations)) for scene in scenes
    ]


def _mask(scene: layout.Scene, root: Path, annotations: str) -> Path | None:
    masks = (scene.generated_mask(root, "trainId", annotations), scene.official_mask(root, _OFFICIAL, annotations))
    return next((mask for mask in masks if mask.is_file()), None)


def read_truth(benchmark: Benchmark, path: Path) -> UInt8Array:
    """The (H, W) train ids of a ground truth.

    Raises:
        InputError: if it cannot be read, or holds other ids.
    """
    if benchmark.name != "cityscapes" or not path.name.endswith(f"_{_OFFICIAL}.png"):
        return benchmark.train_ids(path)
    ids = read_ids(path)
    if (highest := int(ids.max(initial=0))) > _LAST_ID:
        raise InputError(f"{path}: label id {highest}, expected 0 to {_LAST_ID}; unpack {layout.ANNOTATIONS} again")
    train_ids: UInt8Array = TRAIN_ID_OF[ids]
    return train_ids
