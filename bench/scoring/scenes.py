"""Scenes of full size for the contenders: the real samples under several names."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from cityscapes.layout import Scene, scenes_with_label_ids
from engine.errors import InputError


def copy_scenes(samples: Path, root: Path, images: int) -> Iterator[tuple[Scene, Scene]]:
    """Copy the annotations of the real samples, under several names, into the split val of a new root.

    Args:
        samples: root with real masks.
        root: root to write to.
        images: number of scenes to write.

    Yields:
        Real scene, which is in `samples`, and the scene that it was copied to.

    Raises:
        InputError: if there are no real masks.
    """
    scenes = [scene for split in ("train", "val") for scene in scenes_with_label_ids(samples, split)]
    if not scenes:
        raise InputError(f"{samples}: no real masks to score; pass a folder with cityscapes/gtFine as --samples")
    for number in range(images):
        real = scenes[number % len(scenes)]
        scene = Scene("val", real.city, f"{real.city}_{number:06}_000019")
        for kind in ("labelIds", "instanceIds"):
            copy = scene.official_mask(root, kind)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(real.official_mask(samples, kind), copy)
        if real.polygons(samples).is_file():
            shutil.copyfile(real.polygons(samples), scene.polygons(root))
        yield real, scene
