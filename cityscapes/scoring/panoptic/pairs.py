"""The files of each scene: its panoptic prediction and its ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats import panoptic, panoptic_reader
from cityscapes.layout import SPLITS, require_root, scenes_with_image
from cityscapes.predictions import FIX_COMMAND
from cityscapes.scoring.panoptic import segments, truth
from cityscapes.scoring.panoptic.matching import Segments
from cityscapes.scoring.panoptic.truth import TrueImage, exists
from engine.errors import ErrorCollector, InputError
from engine.files.content import read_bytes
from engine.files.folders import find
from engine.findings import counted, examples, shortened

_SHOWN = 5
"""Number of names in a message."""
_UNREADABLE = {"json", "structure"}
"""Kinds of faults of a JSON file of which nothing can be read."""


class PredictedImage(NamedTuple):
    """Prediction of one scene."""

    path: Path
    """PNG of segment ids."""
    segments: Segments


class Pair(NamedTuple):
    """Prediction and ground truth of one scene."""

    truth: TrueImage
    prediction: PredictedImage


class PairedFiles(NamedTuple):
    """Files to be scored, and messages about those that are not."""

    json: Path
    """JSON file of the predictions."""
    pairs: list[Pair]
    """Scenes whose files all exist, sorted."""
    left_out: int
    """Number of annotated scenes that have neither an image nor a prediction, although other scenes have images."""
    faults: list[str]
    """Messages about scenes that cannot be scored."""
    warnings: list[str]
    """Messages about predictions that are not scored."""


class PredictionFiles(NamedTuple):
    """Files of panoptic predictions."""

    json: Path
    """JSON file with the segments of all images."""
    folder: Path
    """Folder of the PNGs, to which the names in the JSON file are relative."""


def pair_files(predictions: Path, root: Path, split: str) -> PairedFiles:
    """The files of the annotated scenes of a split that have a prediction or an image.

    If the root has images, a scene without image and prediction is not a fault, as in the pixel task.

    Raises:
        InputError: with every file and folder that cannot be read, or if there is no ground truth or no prediction.
    """
    require_root(root)
    errors = ErrorCollector()
    with errors.collect():
        annotated = truth.find(root, split)
    with errors.collect():
        with_image = {scene.stem for scene in scenes_with_image(root, split)}
    with errors.collect():
        files = find_files(predictions, split)
        listed, faults = panoptic_reader.parse(read_bytes(files.json, panoptic_reader.MAX_BYTES))
        if _UNREADABLE & {fault.kind for fault in faults}:
            raise InputError(*segments.messages(files.json, faults))
    errors.raise_if_any()
    by_stem = {image.image_id: image for image in listed}
    wanted = [
        image for image in annotated.images if image.stem in by_stem or not with_image or image.stem in with_image
    ]
    messages = [*annotated.faults, *segments.messages(files.json, faults)]
    faulty = {fault.where for fault in faults}
    missing = [image for image in wanted or annotated.images if image.stem not in faulty]
    if missing and (by_stem or not faults):  # otherwise all images are faulty, rather than missing
        messages += _missing(files, missing, by_stem, split)
    pairs = []
    absent = []
    for image in wanted:
        if (entry := by_stem.get(image.stem)) is None:
            continue
        path = files.folder / entry.file_name
        if exists(path):
            pairs.append(Pair(image, PredictedImage(path, segments.of_json(entry.segments))))
        else:
            absent.append(entry.file_name)
    messages += _absent(files, absent, split, everything=not pairs)
    others = sorted(by_stem.keys() - {image.stem for image in annotated.images})
    return PairedFiles(
        files.json, pairs, len(annotated.images) - len(wanted), messages, _unscored(files.json, others, split)
    )


def find_files(predictions: Path, split: str) -> PredictionFiles:
    """The JSON file and the folder of PNGs in a folder of predictions.

    These are `cityscapes_panoptic_<split>.json` and `cityscapes_panoptic_<split>/`. Otherwise the only JSON file with
    annotations is used, and the folder with its name, or, without such a folder, the folder of the JSON file.

    Raises:
        InputError: if there is no such file, or more than one.
    """
    if not predictions.is_dir():
        kind, remedy = "no such folder", "give the folder that the predictions were written to"
        if predictions.exists():
            kind, remedy = "is a file", f"give the folder that has it: {predictions.parent}"
        raise InputError(f"{predictions}: {kind}; {remedy}")
    name, folder_name = panoptic.file_names(split)
    json = predictions / name
    if not json.exists():
        json = _only_json(predictions, split)
    folders = [predictions / json.stem, predictions / folder_name, predictions]
    return PredictionFiles(json, next(folder for folder in folders if folder.is_dir()))


def _only_json(predictions: Path, split: str) -> Path:
    """The only JSON file in a folder, or the only one of several that has annotations.

    Raises:
        InputError: if there is none, if there are several, or if it is named for another split.
    """
    name, _ = panoptic.file_names(split)
    found = [path for path in find(predictions, "*.json", levels=0) if not path.is_dir()]
    if len(found) > 1:
        found = [path for path in found if _has_annotations(path)] or found
    if not found:
        elsewhere = sorted(path.parent for path in find(predictions, name) if not path.is_dir())
        if (predictions.parent / name).is_file():
            elsewhere = [predictions.parent]
        where = f", but in {examples([str(folder) for folder in elsewhere])}" if elsewhere else ""
        remedy = "give that folder" if elsewhere else "give the folder that the predictions were written to"
        raise InputError(f"{predictions}: no {name} in it{where}; {remedy}")
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InputError(f"{predictions}: no {name} in it, but {names}{more}; name the file to score {name}")
    for other in SPLITS:
        if other != split and found[0].name in {panoptic.file_names(other, train_ids=ids)[0] for ids in (False, True)}:
            raise InputError(f"{found[0]}: predictions of the {other} split, expected {name}; give --split {other}")
    return found[0]


def _has_annotations(json: Path) -> bool:
    """Whether a JSON file has annotations, faulty or not; files that cannot be read have none."""
    try:
        _, faults = panoptic_reader.parse(read_bytes(json, panoptic_reader.MAX_BYTES))
    except InputError:
        return False
    return not _UNREADABLE & {fault.kind for fault in faults}


def _missing(
    files: PredictionFiles, images: Sequence[TrueImage], by_stem: dict[str, panoptic.AnnotatedImage], split: str
) -> list[str]:
    """Messages about scenes without a prediction."""
    if by_stem and not any(image.stem in by_stem for image in images):
        return [
            f"{files.json}: {next(iter(by_stem))} is not a scene of the {split} split, nor is any other image; "
            "give the --split that was predicted"
        ]
    missing = [image.stem for image in images if image.stem not in by_stem]
    if not missing:
        return []
    what = f"no prediction of {counted(len(missing), 'scene')} ({examples(missing)})"
    return [f"{files.json}: {what}; predict every scene of the {split} split"]


def _absent(files: PredictionFiles, names: Sequence[str], split: str, *, everything: bool) -> list[str]:
    """Messages about PNGs that are named in the JSON file and do not exist; one if that is every PNG."""
    if everything and len(names) > 1:
        _, folder_name = panoptic.file_names(split)
        what = f"none of the {len(names)} PNGs that {files.json.name} names is there ({examples(names)})"
        return [f"{files.folder}: {what}; name their folder {folder_name}: {FIX_COMMAND}"]
    return [
        f"{shortened(str(files.folder / name))}: no such file, but {files.json.name} names it; "
        "write the PNG of each image"
        for name in names
    ]


def _unscored(json: Path, stems: Sequence[str], split: str) -> list[str]:
    if not stems:
        return []
    return [
        f"{json}: {counted(len(stems), 'prediction')} not scored, because the {split} split has no annotation of them "
        f"({examples(stems)}); unpack gtFine_trainvaltest.zip again if they belong to it"
    ]
