"""The files of each scene: its prediction and its official masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import Scene
from cityscapes.predictions import ORIGIN_KEY, WEIGHTS_KEY
from cityscapes.scoring.pixel.counts import Pair
from cityscapes.scoring.scene_files import AGAIN, find_files
from engine.files.images import note_of


class PairedFiles(NamedTuple):
    """Files to be scored, and messages about those that are not."""

    pairs: list[Pair]
    """Scenes whose files all exist."""
    left_out: int
    """Number of annotated scenes that have neither an image nor a prediction, although other scenes have images."""
    faults: list[str]
    """Messages about scenes that cannot be scored."""
    warnings: list[str]
    """Messages about predictions that are not scored, or whose origin is doubtful."""


def pair_files(predictions: Path, root: Path, split: str, scenes: Sequence[Scene] | None) -> PairedFiles:
    """The files of the annotated scenes of a split that have a prediction or an image, or of the given scenes.

    Raises:
        InputError: see `find_files`.
    """
    found = find_files(predictions, root, split, scenes, masks="labelIds", kind="PNG file")
    faults = list(found.faults)
    pairs = []
    for scene in found.scenes:
        instance_ids = scene.official_mask(root, "instanceIds")
        if not instance_ids.is_file():
            faults.append(f"{instance_ids}: no such file; {AGAIN}")
        elif scene.stem in found.predictions:
            label_ids = scene.official_mask(root, "labelIds")
            pairs.append(Pair(scene.stem, found.predictions[scene.stem], label_ids, instance_ids))
    origins = _origin_warnings(predictions, [pair.prediction for pair in pairs])
    return PairedFiles(pairs, found.left_out, faults, [*found.warnings, *origins])


def _origin_warnings(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Warnings from the notes in which `test_fcn.py` records the weights and the image of a prediction."""
    warnings = []
    weights = {path: note for path in paths if (note := note_of(path, WEIGHTS_KEY)) is not None}
    if len(set(weights.values())) > 1:
        first = next(iter(weights))
        other = next(path for path in weights if weights[path] != weights[first])
        warnings.append(
            f"{folder}: predictions made with {len(set(weights.values()))} different weights ({first.name} and "
            f"{other.name}), so the scores are not those of one network; predict all images with the same weights again"
        )
    names: dict[str, Path] = {}
    for path in weights:
        made = note_of(path, ORIGIN_KEY)
        if made is not None and names.setdefault(made, path) != path:
            warnings.append(f"{path}: a copy of {names[made].name}, which is of another image; predict it again")
    return warnings
