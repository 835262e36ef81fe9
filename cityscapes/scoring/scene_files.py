"""The scenes that are scored, and the prediction file of each; the same rules for pixels and instances."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from cityscapes.layout import (
    ANNOTATIONS,
    Scene,
    require_root,
    scenes_with_annotation,
    scenes_with_image,
    scenes_with_instance_ids,
    scenes_with_label_ids,
    stem_in,
)
from cityscapes.official_counts import SPLIT_OF
from cityscapes.predictions import FIX_COMMAND, FileKind, PredictionFiles, find
from engine.errors import ErrorCollector, InputError
from engine.findings import counted, examples

MaskKind = Literal["labelIds", "instanceIds"]
"""Kind of the official mask that a scene needs."""

_WITH_MASK: dict[MaskKind, Callable[[Path, str], list[Scene]]] = {
    "labelIds": scenes_with_label_ids,
    "instanceIds": scenes_with_instance_ids,
}
_TODO: dict[FileKind, str] = {
    "PNG file": "predict every scene of the {split} split",
    "text file": "write a text file for every scene of the {split} split, an empty one if nothing is found in it",
}
_DRAW = "python generate_gt.py --official_names --instance_ids"
AGAIN = f"unpack gtFine_trainvaltest.zip again, or draw it from the polygons: {_DRAW}"
"""The remedy for a missing official mask."""


class SceneFiles(NamedTuple):
    """Scenes to be scored, their predictions, and messages about those that cannot be scored."""

    scenes: list[Scene]
    """Scenes to be scored, with an official mask; some have no prediction, which is a fault."""
    predictions: dict[str, Path]
    """Stem -> the prediction, of each scene that has exactly one."""
    left_out: int
    """Number of annotated scenes that have neither an image nor a prediction, although other scenes have images."""
    faults: list[str]
    """Messages about scenes that cannot be scored."""
    warnings: list[str]
    """Messages about predictions that are not scored."""


def find_files(
    predictions: Path,
    root: Path,
    split: str,
    scenes: Sequence[Scene] | None = None,
    *,
    masks: MaskKind,
    kind: FileKind,
) -> SceneFiles:
    """The files of the annotated scenes of a split that have a prediction or an image, or of the given scenes.

    If the root has images, a scene without image and prediction is not a fault, because `test_fcn.py` could not predict
    it.

    Raises:
        InputError: with every folder that cannot be read, or if there are no official masks or no predictions.
    """
    require_root(root)
    with_mask, described, with_image, found = _list_files(predictions, root, split, masks, kind)
    wanted = with_mask if scenes is None else list(scenes)
    if not wanted:
        pattern = Scene(split, "*", "*").official_mask(root, masks)
        raise InputError(f"{pattern}: no such masks; {masks_remedy(split)}")
    left_out = []
    if scenes is None and with_image:
        left_out = [scene for scene in wanted if scene.stem not in found.by_stem and scene not in with_image]
        wanted = [scene for scene in wanted if scene not in set(left_out)]
    faults = _naming_faults(found, predictions, wanted or with_mask, kind)
    warnings = []
    if scenes is None:
        without = sorted(set(described) - set(with_mask))
        faults += [f"{scene.official_mask(root, masks)}: no such file; {AGAIN}" for scene in without]
        annotated = {scene.stem for scene in described}
        warnings = _unscored_warnings(found, predictions, annotated, root / ANNOTATIONS / split, kind)
    single = {stem: paths[0] for stem, paths in found.by_stem.items() if len(paths) == 1}
    return SceneFiles(wanted, single, len(left_out), faults, warnings)


def _list_files(
    predictions: Path, root: Path, split: str, masks: MaskKind, kind: FileKind
) -> tuple[list[Scene], list[Scene], set[Scene], PredictionFiles]:
    """Scenes with a mask, scenes with any annotation, scenes with an image, and the predictions."""
    faults = ErrorCollector()
    with faults.collect():
        with_mask = _WITH_MASK[masks](root, split)
        described = scenes_with_annotation(root, split)
    with faults.collect():
        with_image = set(scenes_with_image(root, split))
    with faults.collect():
        found = find(predictions, kind)
    faults.raise_if_any()
    return with_mask, described, with_image, found


def _naming_faults(found: PredictionFiles, folder: Path, scenes: Sequence[Scene], kind: FileKind) -> list[str]:
    split = scenes[0].split
    missing = [scene.stem for scene in scenes if scene.stem not in found.by_stem]
    if len(missing) == len(scenes) and (other := _other_split(found, scenes)) is not None:
        what = f"predictions of the {other} split (for example {min(found.by_stem)}), expected the {split} split"
        return [f"{folder}: {what}; {f'predict the {split} split' if other == 'test' else f'give --split {other}'}"]
    faults = []
    if missing:
        what = f"no prediction of {counted(len(missing), 'scene')} ({examples(missing)})"
        faults.append(f"{folder}: {what}; {_TODO[kind].format(split=split)}")
    several = [_names(paths, folder) for scene in scenes if len(paths := found.by_stem.get(scene.stem, [])) > 1]
    if several:
        what = f"several predictions of {counted(len(several), 'scene')} ({examples(several)})"
        faults.append(f"{folder}: {what}; keep one of each scene")
    if len(missing) == len(scenes):
        other_file = next(iter([*found.unknown, *(path for paths in found.by_stem.values() for path in paths)]))
        rename = f": {FIX_COMMAND}" if other_file in found.unknown and stem_in(other_file.name) else ""
        faults.append(
            f"{other_file}: does not belong to a scene of the {split} split; choose the split that was "
            f"predicted, and start file names with <city>_<6 digits>_<6 digits>{rename}"
        )
    return faults


def _other_split(found: PredictionFiles, scenes: Sequence[Scene]) -> str | None:
    """The split that all predictions belong to and no scene, according to the cities; None if there is none."""
    splits = {SPLIT_OF.get(stem.split("_")[0]) for stem in found.by_stem}
    return (
        splits.pop() if len(splits) == 1 and splits.isdisjoint(SPLIT_OF.get(scene.city) for scene in scenes) else None
    )


def _names(paths: Sequence[Path], folder: Path) -> str:
    names = [str(path.relative_to(folder)) for path in paths]
    return " and ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _unscored_warnings(
    found: PredictionFiles, folder: Path, annotated: set[str], annotations: Path, kind: FileKind
) -> list[str]:
    """Warnings about prediction files that do not belong to a scene of the split."""
    others = sorted(found.by_stem.keys() - annotated)
    warnings = []
    if others:
        warnings.append(
            f"{folder}: {counted(len(others), 'prediction')} not scored, whose scenes are not in {annotations} "
            f"({examples(others)}); unpack gtFine_trainvaltest.zip again if they belong to this split"
        )
    if found.unknown:
        warnings.append(
            f"{folder}: {counted(len(found.unknown), kind)} not scored, whose names do not start with "
            f"<city>_<6 digits>_<6 digits> ({examples([path.name for path in found.unknown])})"
        )
    return warnings


def masks_remedy(split: str) -> str:
    """The remedy if the official masks of a split do not exist."""
    if split == "test":
        return (
            "scoring needs the official masks, and those of the test split are secret: upload the predictions "
            "to the server instead: python -m cityscapes.submission"
        )
    return (
        "scoring needs the official masks: unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) there, or draw "
        f"those of your own polygons: {_DRAW}"
    )
