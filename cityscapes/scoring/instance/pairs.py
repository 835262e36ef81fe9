"""The files of each scene: its text file of predicted instances and its official mask of instance ids."""

from pathlib import Path
from typing import NamedTuple

from cityscapes.scoring.scene_files import find_files


class Pair(NamedTuple):
    """Prediction and official mask of one scene."""

    stem: str
    text: Path
    """Text file that lists the predicted masks."""
    instance_ids: Path


class PairedFiles(NamedTuple):
    """Files to be scored, and messages about those that are not."""

    pairs: list[Pair]
    """Scenes whose files all exist, sorted."""
    left_out: int
    """Number of annotated scenes that have neither an image nor a prediction, although other scenes have images."""
    faults: list[str]
    """Messages about scenes that cannot be scored."""
    warnings: list[str]
    """Messages about text files that are not scored."""


def pair_files(predictions: Path, root: Path, split: str) -> PairedFiles:
    """The files of the annotated scenes of a split that have a prediction or an image.

    Raises:
        InputError: see `find_files`.
    """
    found = find_files(predictions, root, split, masks="instanceIds", kind="text file")
    pairs = [
        Pair(scene.stem, found.predictions[scene.stem], scene.official_mask(root, "instanceIds"))
        for scene in found.scenes
        if scene.stem in found.predictions
    ]
    return PairedFiles(pairs, found.left_out, found.faults, found.warnings)
