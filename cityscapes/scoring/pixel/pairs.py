"""The files of each scene: its prediction and its official masks."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import (
    ANNOTATIONS,
    Scene,
    require_root,
    scenes_with_annotation,
    scenes_with_image,
    scenes_with_label_ids,
)
from cityscapes.predictions import ORIGIN_KEY, WEIGHTS_KEY, PredictionFiles, find
from cityscapes.scoring.pixel.counts import Pair
from engine.errors import ErrorCollector, InputError
from engine.files.images import note_of
from engine.findings import counted

_AGAIN = "unpack gtFine_trainvaltest.zip again, which has it"


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

    If the root has images, a scene without image and prediction is not a fault, because `test_fcn.py` could not predict
    it.

    Raises:
        InputError: with every folder that cannot be read, or if there are no official masks or no predictions.
    """
    require_root(root)
    labelled, described, with_image, found = _list_files(predictions, root, split)
    wanted = labelled if scenes is None else list(scenes)
    if not wanted:
        pattern = Scene(split, "*", "*").official_mask(root, "labelIds")
        raise InputError(f"{pattern}: no such masks; {masks_remedy(split)}")
    left_out = []
    if scenes is None and with_image:
        left_out = [scene for scene in wanted if scene.stem not in found.by_stem and scene not in with_image]
        wanted = [scene for scene in wanted if scene not in set(left_out)]
    faults = _naming_faults(found, predictions, wanted or labelled)
    if scenes is None:
        unlabelled = sorted(set(described) - set(labelled))
        faults += [f"{scene.official_mask(root, 'labelIds')}: no such file; {_AGAIN}" for scene in unlabelled]
    pairs = []
    for scene in wanted:
        paths = found.by_stem.get(scene.stem, [])
        instance_ids = scene.official_mask(root, "instanceIds")
        if not instance_ids.is_file():
            faults.append(f"{instance_ids}: no such file; {_AGAIN}")
        elif len(paths) == 1:
            pairs.append(Pair(scene.stem, paths[0], scene.official_mask(root, "labelIds"), instance_ids))
    warnings = _unscored_warnings(found, predictions, {scene.stem for scene in described}, root / ANNOTATIONS / split)
    origins = _origin_warnings(predictions, [pair.prediction for pair in pairs])
    return PairedFiles(pairs, len(left_out), faults, origins if scenes is not None else [*warnings, *origins])


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


def _list_files(
    predictions: Path, root: Path, split: str
) -> tuple[list[Scene], list[Scene], set[Scene], PredictionFiles]:
    """Scenes with label ids, scenes with any annotation, scenes with an image, and the predictions."""
    faults = ErrorCollector()
    with faults.collect():
        labelled = scenes_with_label_ids(root, split)
        described = scenes_with_annotation(root, split)
    with faults.collect():
        with_image = set(scenes_with_image(root, split))
    with faults.collect():
        found = find(predictions)
    faults.raise_if_any()
    return labelled, described, with_image, found


def _naming_faults(found: PredictionFiles, folder: Path, scenes: Sequence[Scene]) -> list[str]:
    faults = []
    for scene in scenes:
        paths = found.by_stem.get(scene.stem, [])
        if not paths:
            faults.append(f"{scene.stem}: no prediction in {folder}; predict every scene of the {scene.split} split")
        elif len(paths) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in paths)
            faults.append(f"{scene.stem}: {len(paths)} predictions in {folder} ({names}); keep one of each scene")
    if not any(scene.stem in found.by_stem for scene in scenes):
        other = next(iter([*found.unknown, *(path for paths in found.by_stem.values() for path in paths)]))
        faults.append(
            f"{other}: does not belong to a scene of the {scenes[0].split} split; choose the split that was "
            "predicted, and start file names with <city>_<6 digits>_<6 digits>"
        )
    return faults


def _unscored_warnings(found: PredictionFiles, folder: Path, annotated: set[str], annotations: Path) -> list[str]:
    """Warnings about PNG files that are not scored."""
    others = sorted(found.by_stem.keys() - annotated)
    warnings = []
    if others:
        warnings.append(
            f"{folder}: {counted(len(others), 'prediction')} not scored, whose scenes are not in {annotations} "
            f"({_examples(others)}); unpack gtFine_trainvaltest.zip again if they belong to this split"
        )
    if found.unknown:
        warnings.append(
            f"{folder}: {counted(len(found.unknown), 'PNG file')} not scored, whose names do not start with "
            f"<city>_<6 digits>_<6 digits> ({_examples([path.name for path in found.unknown])})"
        )
    return warnings


def _examples(names: Sequence[str]) -> str:
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])


def masks_remedy(split: str) -> str:
    """The remedy if the official masks of a split do not exist."""
    if split == "test":
        return (
            "scoring needs the official masks, and those of the test split are secret: upload the predictions "
            "to the server instead: python -m cityscapes.submission"
        )
    return "scoring needs the official masks: unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) there"
