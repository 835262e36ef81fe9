"""The annotated segments of each scene: from the official instance ids, or from panoptic ground truth."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from cityscapes.formats import panoptic, panoptic_reader
from cityscapes.layout import ANNOTATIONS, GENERATED, Scene, scenes_with_annotation, scenes_with_instance_ids
from cityscapes.scoring.panoptic import segments
from cityscapes.scoring.panoptic.matching import Pairs, Segments
from cityscapes.scoring.scene_files import AGAIN
from engine.arrays import Int64Array
from engine.errors import InputError
from engine.files.content import read_bytes
from engine.findings import shortened

_GENERATE = "python generate_gt.py --panoptic"


class TrueImage(NamedTuple):
    """Ground truth of one scene."""

    stem: str
    path: Path
    """PNG of instance ids, or of segment ids if `segments` is given."""
    segments: Segments | None = None
    """Segments from the JSON file of panoptic ground truth; None if they follow from instance ids."""
    areas: Int64Array | None = None
    """(n,) pixels of each of the segments, from the JSON file."""


class Truth(NamedTuple):
    """Ground truth of a split."""

    images: list[TrueImage]
    faults: list[str]
    """Messages about scenes with an annotation but without ground truth."""


def find(root: Path, split: str) -> Truth:
    """The ground truth of the annotated scenes of a split, sorted.

    The official instance ids are used if there are any, because other ground truth may be older than they are. Then
    panoptic ground truth by `generate_gt.py`, then by the official converter.

    Raises:
        InputError: if there is none, or with all faults of its JSON file.
    """
    described = scenes_with_annotation(root, split)
    if scenes := scenes_with_instance_ids(root, split):
        missing = [scene.official_mask(root, "instanceIds") for scene in sorted(set(described) - set(scenes))]
        images = [TrueImage(scene.stem, scene.official_mask(root, "instanceIds")) for scene in scenes]
        return Truth(images, [f"{path}: no such file; {AGAIN}" for path in missing])
    json_name, folder_name = panoptic.file_names(split)
    for folder in (root / GENERATED, root / ANNOTATIONS):
        if (folder / json_name).exists():
            return _listed(folder / json_name, folder / folder_name, described)
    pattern = Scene(split, "*", "*").official_mask(root, "instanceIds")
    raise InputError(f"{pattern}: no such masks, and no {root / GENERATED / json_name}; {remedy(split)}")


def remedy(split: str) -> str:
    """The remedy if a split has no ground truth."""
    if split == "test":
        return (
            "scoring needs ground truth, and that of the test split is secret: upload the predictions to the server "
            "instead: python -m cityscapes.submission"
        )
    return (
        "scoring needs ground truth: unpack gtFine_trainvaltest.zip (cityscapes-dataset.com) there, "
        f"or draw it from polygons: {_GENERATE}"
    )


def exists(path: Path) -> bool:
    """Whether there is a file with a path from a JSON file, which may be longer than the system allows.

    A file in a folder without permission may exist; reading it reports that.
    """
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def segments_of(image: TrueImage, pairs: Pairs) -> Segments:
    """The segments of an image; they are compared with its pixels if they are from a JSON file.

    Raises:
        InputError: with the segments that differ, or if a pixel has an invalid instance id.
    """
    if image.segments is None or image.areas is None:
        return segments.of_instance_ids(image.path, pairs.true_ids)
    found, place = np.unique(pairs.true_ids, return_inverse=True)
    pixels = np.bincount(place, pairs.pixels).astype(np.int64)
    counted = dict(zip(found.tolist(), pixels.tolist(), strict=True))
    counted.pop(0, None)
    listed = dict(zip(image.segments.ids.tolist(), image.areas.tolist(), strict=True))
    if counted != listed:
        number = min(number for number in {*counted, *listed} if counted.get(number) != listed.get(number))
        raise InputError(
            f"{image.path}: segment {number} has {counted.get(number, 0)} pixels, but {listed.get(number, 0)} in the "
            f"JSON file; make the ground truth again: {_GENERATE}"
        )
    return image.segments


def _listed(json: Path, folder: Path, described: list[Scene]) -> Truth:
    """Panoptic ground truth in a JSON file and a folder of PNGs.

    Raises:
        InputError: with all faults of the JSON file.
    """
    found, broken = panoptic_reader.parse(read_bytes(json, panoptic_reader.MAX_BYTES), truth=True)
    if broken:
        raise InputError(*segments.messages(json, broken))
    images = [
        TrueImage(
            image.image_id,
            folder / image.file_name,
            segments.of_json(image.segments),
            np.array([segment.area for segment in image.segments], np.int64),
        )
        for image in sorted(found, key=lambda image: image.image_id)
    ]
    again = f"make it again: {_GENERATE}"
    known = {image.stem for image in images}
    unlisted = [scene.stem for scene in described if scene.stem not in known]
    faults = [f"{stem}: has an annotation, but is not in {json}; {again}" for stem in unlisted]
    missing = [shortened(str(image.path)) for image in images if not exists(image.path)]
    return Truth(images, [*faults, *(f"{path}: no such file; {again}" for path in missing)])
