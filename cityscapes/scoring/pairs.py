"""Which files belong together: the prediction and the official masks of each scene."""

from collections.abc import Sequence
from pathlib import Path

from cityscapes.layout import Scene, labelled_scenes, require_root
from cityscapes.predictions import Found, find
from cityscapes.scoring.counts import Pair
from engine.errors import InputError


def pair_up(predictions: Path, root: Path, split: str, scenes: Sequence[Scene] | None) -> tuple[list[Pair], list[str]]:
    """The scenes whose files are all there, and what is wrong with the others."""
    require_root(root)
    scenes = labelled_scenes(root, split) if scenes is None else scenes
    if not scenes:
        pattern = Scene(split, "*", "*").official_mask(root, "labelIds")
        raise InputError(f"{pattern}: no such masks; {whence_masks(split)}")
    found = find(predictions)
    faults = _naming_faults(found, predictions, scenes)
    pairs = []
    for scene in scenes:
        pair = found.by_stem.get(scene.stem, [])
        instance_ids = scene.official_mask(root, "instanceIds")
        if not instance_ids.is_file():
            faults.append(f"{instance_ids}: no such file; unpack gtFine_trainvaltest.zip again, which has it")
        elif len(pair) == 1:
            pairs.append(Pair(scene.stem, pair[0], scene.official_mask(root, "labelIds"), instance_ids))
    return pairs, faults


def _naming_faults(found: Found, folder: Path, scenes: Sequence[Scene]) -> list[str]:
    faults = []
    for scene in scenes:
        paths = found.by_stem.get(scene.stem, [])
        if not paths:
            faults.append(f"{scene.stem}: no prediction in {folder}; predict every scene of the {scene.split} split")
        elif len(paths) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in paths)
            faults.append(f"{scene.stem}: {len(paths)} predictions in {folder} ({names}); keep one of each scene")
    if not any(scene.stem in found.by_stem for scene in scenes):
        other = next(iter([*found.strangers, *(path for paths in found.by_stem.values() for path in paths)]))
        faults.append(
            f"{other}: belongs to no scene of the {scenes[0].split} split; choose the split that was predicted, "
            "with file names that start with <city>_<6 digits>_<6 digits>"
        )
    return faults


def whence_masks(split: str) -> str:
    """What to do where the official masks of a split are not there."""
    if split == "test":
        return (
            "scoring needs the official masks, and those of the test split are secret: upload the predictions "
            "to the server instead: python -m cityscapes.submission"
        )
    return "scoring needs the official masks: unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) there"
