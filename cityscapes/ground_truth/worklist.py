"""Work list: the annotated images to draw, and the paths of their masks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cityscapes import layout
from cityscapes.official_counts import EXTRA, EXTRA_IMAGES, IMAGES_OF
from engine.errors import ErrorCollector, InputError
from engine.files.folders import find

SPLITS = {layout.ANNOTATIONS: ("train", "val"), layout.COARSE: ("train", "train_extra", "val")}
"""Annotations -> splits that are drawn; test is left out, because its annotations are dummies."""

_ARCHIVES = {layout.ANNOTATIONS: "gtFine_trainvaltest.zip", layout.COARSE: "gtCoarse.zip"}
_POLYGONS = "_polygons.json"


@dataclass(frozen=True)
class Job(layout.MaskPaths):
    """One annotated image and the paths of its masks."""

    name: str
    """Name of the image in reports: the stem of its files."""
    polygons: Path
    """Path of the polygon file."""


def of_root(root: Path, annotations: str = layout.ANNOTATIONS, *, from_labels: bool = False) -> list[Job]:
    """The scenes of a Cityscapes folder that have polygons or, with `from_labels`, official label ids.

    Raises:
        InputError: if there are none, or for every folder that cannot be listed.
    """
    layout.require_root(root)
    scenes_of = layout.scenes_with_label_ids if from_labels else layout.scenes_with_polygons
    splits = SPLITS[annotations]
    scenes: list[layout.Scene] = []
    faults = ErrorCollector()
    for split in splits:
        with faults.collect():
            scenes += scenes_of(root, split, annotations)
    faults.raise_if_any()
    if not scenes:
        kind = "labelIds.png" if from_labels else "polygons.json"
        raise InputError(
            f"{root / annotations}: no *_{annotations}_{kind} in {'/<city>/ or '.join(splits)}/<city>/; "
            f"unpack {_ARCHIVES[annotations]} (cityscapes-dataset.com) into {root}"
        )
    jobs = []
    for scene in scenes:
        paths = scene.mask_paths(root, annotations)
        polygons = scene.polygons(root, annotations)
        jobs.append(Job(paths.official_prefix, paths.generated_prefix, scene.stem, polygons))
    return jobs


def incomplete(root: Path, annotations: str = layout.ANNOTATIONS, *, from_labels: bool = False) -> list[str]:
    """A message for each scene that has official files, but lacks the one to draw from.

    Raises:
        InputError: for every folder that cannot be listed.
    """
    scenes_of = layout.scenes_with_label_ids if from_labels else layout.scenes_with_polygons
    lacking = [
        scene
        for split in SPLITS[annotations]
        for scene in sorted(
            {*layout.scenes_with_annotation(root, split, annotations)} - {*scenes_of(root, split, annotations)}
        )
    ]
    paths = [
        scene.official_mask(root, "labelIds", annotations) if from_labels else scene.polygons(root, annotations)
        for scene in lacking
    ]
    again = f"unpack {_ARCHIVES[annotations]} again"
    return [f"{path}: no such file, although other files of this scene exist; {again}" for path in paths]


def coverage(jobs: Sequence[Job], annotations: str) -> str:
    """A line with the number of scenes of each split, and of the official set."""
    found = Counter(job.generated_prefix.parents[1].name for job in jobs)
    official = {split: sum(cities.values()) for split, cities in IMAGES_OF.items()} | {EXTRA: EXTRA_IMAGES}
    parts = [f"{found[split]} of {official[split]} {split} scenes" for split in SPLITS[annotations]]
    return f"compared with the official set: {', '.join(parts)}"


def of_folder(folder: Path, *, from_labels: bool = False) -> list[Job]:
    """The annotations anywhere below a folder: *_polygons.json or, if there are none, *.json.

    Their masks go to the same subfolders of generated_gt/ in the folder.

    Raises:
        InputError: if there are none, if the masks of two would have the same name, or for every folder that cannot be
            listed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that has the polygon files as --polygons")
    patterns = ["*_labelIds.png"] if from_labels else [f"*{_POLYGONS}", "*.json"]
    found = next((files for pattern in patterns if (files := _below(folder, pattern))), [])
    if not found:
        raise InputError(
            f"{folder}: no {patterns[-1]} in it or below; export polygons in the Cityscapes format "
            "(imgWidth, imgHeight, objects with label and polygon), one file per image"
        )
    jobs = [_of_file(folder, path) for path in found]
    _require_distinct(jobs)
    return jobs


def _below(folder: Path, pattern: str) -> list[Path]:
    return [path for path in find(folder, pattern) if layout.GENERATED not in path.relative_to(folder).parts]


def _of_file(folder: Path, path: Path) -> Job:
    base = path.name.removesuffix("_labelIds.png").removesuffix(_POLYGONS).removesuffix(".json")
    stem = base
    for annotations in layout.GENERATED_FROM:
        stem = stem.removesuffix(f"_{annotations}")
    name = path.parent.relative_to(folder) / stem
    return Job(path.with_name(base), folder / layout.GENERATED / name, name.as_posix(), path)


def _require_distinct(jobs: Sequence[Job]) -> None:
    count = Counter(job.generated_prefix for job in jobs)
    if duplicates := [str(job.polygons) for job in jobs if count[job.generated_prefix] > 1]:
        raise InputError(
            f"{', '.join(duplicates[:6])}: their masks would have the same names; rename all but one of them"
        )
