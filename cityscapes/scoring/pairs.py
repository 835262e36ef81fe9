"""Which files belong together: the prediction and the official masks of each scene."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.layout import (
    ANNOTATIONS,
    Scene,
    pictured_scenes,
    require_root,
    scenes_with_annotation,
    scenes_with_label_ids,
)
from cityscapes.predictions import PREDICTION_KEY, WEIGHTS_KEY, PredictionFiles, find
from cityscapes.scoring.counts import Pair
from engine.errors import Faults, InputError
from engine.files.images import note_of
from engine.findings import counted

_AGAIN = "unpack gtFine_trainvaltest.zip again, which has it"


class PairedFiles(NamedTuple):
    """What is to be scored, and what is not."""

    pairs: list[Pair]
    """The scenes whose files are all there."""
    left_out: int
    """Annotated scenes with neither an image nor a prediction, where other scenes have images."""
    faults: list[str]
    """What is wrong with the other scenes."""
    warnings: list[str]
    """What is odd about predictions that belong to no annotated scene."""


def pair_files(predictions: Path, root: Path, split: str, scenes: Sequence[Scene] | None) -> PairedFiles:
    """The files of all annotated scenes of a split that have a prediction or an image, or of the scenes given.

    A scene that was never predicted because its image is not there is no fault where other images are. So predictions
    of all images of the split can be scored, as `test_fcn.py` makes them.

    Raises:
        InputError: with every folder that cannot be read, or if there are no official masks or no predictions.
    """
    require_root(root)
    labelled, described, pictured, found = _list_files(predictions, root, split)
    wanted = labelled if scenes is None else list(scenes)
    if not wanted:
        pattern = Scene(split, "*", "*").official_mask(root, "labelIds")
        raise InputError(f"{pattern}: no such masks; {masks_remedy(split)}")
    left_out = []
    if scenes is None and pictured:
        left_out = [scene for scene in wanted if scene.stem not in found.by_stem and scene not in pictured]
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
    """What is odd about the notes in which predictions of `test_fcn.py` say what they were made from."""
    warnings = []
    weights = {path: note for path in paths if (note := note_of(path, WEIGHTS_KEY)) is not None}
    if len(set(weights.values())) > 1:
        first = next(iter(weights))
        other = next(path for path in weights if weights[path] != weights[first])
        warnings.append(
            f"{folder}: predictions of {len(set(weights.values()))} different weights ({first.name} and {other.name}), "
            "so the scores are of no network; predict all images with the same weights again"
        )
    names: dict[str, Path] = {}
    for path in weights:
        made = note_of(path, PREDICTION_KEY)  # of its settings and its image
        if made is not None and names.setdefault(made, path) != path:
            warnings.append(f"{path}: a copy of {names[made].name}, which is of another image; predict it again")
    return warnings


def _list_files(
    predictions: Path, root: Path, split: str
) -> tuple[list[Scene], list[Scene], set[Scene], PredictionFiles]:
    """The scenes with label ids, with any annotation and with an image, and the predictions."""
    faults = Faults()
    with faults.collected():
        labelled = scenes_with_label_ids(root, split)
        described = scenes_with_annotation(root, split)
    with faults.collected():
        pictured = set(pictured_scenes(root, split))
    with faults.collected():
        found = find(predictions)
    faults.require_none()
    return labelled, described, pictured, found


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
            f"{other}: belongs to no scene of the {scenes[0].split} split; choose the split that was predicted, "
            "with file names that start with <city>_<6 digits>_<6 digits>"
        )
    return faults


def _unscored_warnings(found: PredictionFiles, folder: Path, annotated: set[str], annotations: Path) -> list[str]:
    """Warnings about PNG files that are not scored."""
    others = sorted(found.by_stem.keys() - annotated)
    warnings = []
    if others:
        warnings.append(
            f"{folder}: {counted(len(others), 'prediction')} of scenes that {annotations} lacks, not scored "
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
    """What to do where the official masks of a split are not there."""
    if split == "test":
        return (
            "scoring needs the official masks, and those of the test split are secret: upload the predictions "
            "to the server instead: python -m cityscapes.submission"
        )
    return "scoring needs the official masks: unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) there"
