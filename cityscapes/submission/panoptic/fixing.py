"""Predictions of the panoptic task with faults -> a new folder of fixed ones, if their meaning is certain."""

import functools
import json
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats import panoptic, panoptic_reader
from cityscapes.formats.panoptic import AnnotatedImage, Segment
from cityscapes.labels import BY_TRAIN_ID
from cityscapes.layout import stem_in
from cityscapes.predictions import kind_of_name
from cityscapes.submission import archive_reader, completeness
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.completeness import Size
from cityscapes.submission.data_folder import DataFolder, split_of
from cityscapes.submission.fault_counts import FaultCounts, Kind
from cityscapes.submission.panoptic.files import Files
from cityscapes.submission.panoptic.images import listed, segment_ids
from cityscapes.submission.panoptic.kinds import KINDS
from cityscapes.submission.report import FixReport, Ids, refuse_to_fix
from engine.errors import ErrorCollector, InputError
from engine.files.atomic import write_bytes, write_text
from engine.files.new_folder import complete_folder, require_new
from engine.findings import Finding, of_severity
from engine.parallel import parallel_map

_FIXED_LATER = ("image id", "train ids")
"""Kinds of faults of a JSON file that are fixed."""
_REFUSED = {
    **KINDS,
    "image id": Kind("image_id", "without the name of an image", "write <city>_<6 digits>_<6 digits>"),
    "duplicate image": KINDS["duplicate image"],
}


class _Plan(NamedTuple):
    """Plan for one image."""

    stem: str
    entry: Entry
    """PNG of the image."""
    segments: Sequence[Segment]
    size: Size
    """Width and height that the PNG must have."""


@dataclass
class _Written:
    """Result of fixing some images."""

    refused: FaultCounts = field(default_factory=FaultCounts)
    segments: list[list[Segment]] = field(default_factory=list)
    """Segments of each image that have pixels."""


def fix(path: Path, new: Path, root: Path | None = None, *, ids: Ids = "auto", workers: int = 1) -> FixReport:
    """Write a fixed copy of the JSON file and its PNGs in a folder or zip to a new folder.

    Train ids become label ids, each image_id becomes the stem in it, segments without pixels are left out, and files
    get the official names. The pixels of PNGs do not change.

    Args:
        path: folder or zip of predictions.
        new: the folder to write.
        root: data folder, whose images the PNGs must fit. Without it, every PNG must have the official size.
        ids: kind of the ids; auto converts train ids if all ids are train ids, and some are not label ids of classes.
        workers: number of processes.

    Raises:
        InputError: with everything that cannot be fixed with certainty; nothing is written in that case.
    """
    require_new(path, new)
    entries = [entry for entry in archive_reader.entries(path) if kind_of_name(entry.name) != "hidden"]
    archive_reader.require_at_most(path, entries, archive_reader.MAX_FILES)
    files = Files.of(path, entries)
    findings = [*archive_reader.faults_of(entries)]
    if len(files.jsons) != 1:
        findings += (one for one in files.faults() if one.kind in ("missing JSON", "JSON files"))
    refuse_to_fix(path, findings)
    images, convert, refused = _annotations(path, files, ids)
    plans = _plans(files, images, DataFolder(root), refused)
    refuse_to_fix(path, list(refused.findings(_REFUSED)))
    if not plans:
        raise InputError(f"{path}: got no image in {files.jsons[0].name}, expected predictions; predict first")
    split = split_of(plan.stem for plan in plans)
    left_out = _write(path, new, plans, split, workers, convert=convert)
    return _report(files, images, plans, split, root, left_out, convert=convert)


def _report(
    files: Files,
    images: Sequence[AnnotatedImage],
    plans: Sequence[_Plan],
    split: str,
    root: Path | None,
    left_out: int,
    *,
    convert: bool,
) -> FixReport:
    json_name, folder = panoptic.file_names(split)
    moved = sum(plan.entry.name != f"{folder}/{_png_name(plan.stem)}" for plan in plans)
    changes = {
        "train ids to label ids": int(convert),
        "image_id corrected": sum(image.image_id != plan.stem for image, plan in zip(images, plans, strict=True)),
        "segments without pixels left out": left_out,
        "renamed or moved": moved + (files.jsons[0].name != json_name),
    }
    remaining: tuple[Finding, ...] = ()
    if split == "test" and root is not None:
        stems = {plan.stem for plan in plans}
        remaining = of_severity("fault", completeness.findings(stems, completeness.expected_images(root)))
    return FixReport(len(plans), {name: number for name, number in changes.items() if number}, remaining, split)


def _annotations(path: Path, files: Files, ids: Ids) -> tuple[list[AnnotatedImage], bool, FaultCounts]:
    """The annotated images, whether their categories are train ids, and the faults that cannot be fixed."""
    content = next(archive_reader.read(path, files.jsons[:1]))
    if isinstance(content, InputError):
        raise InputError(f"{path}: {files.jsons[0].name}: {content}; write this file again")
    images, faults = panoptic_reader.parse(content, train_ids=ids == "train")
    convert = ids == "train" or (ids == "auto" and any(one.kind == "train ids" for one in faults))
    if convert and ids != "train":
        images, faults = panoptic_reader.parse(content, train_ids=True)
    refused = FaultCounts()
    for one in faults:
        if one.kind not in _FIXED_LATER:
            refused.add(one.kind, f"{one.where}: {one.what}" if one.where else one.what)
    return images, convert, refused


def _plans(files: Files, images: Sequence[AnnotatedImage], data: DataFolder, refused: FaultCounts) -> list[_Plan]:
    """Plans for all images that can be fixed; the others are counted as refused.

    Raises:
        InputError: with every image of the data folder that cannot be read.
    """
    folder = files.folder(images)
    names = Counter(entry.basename for entry in files.entries)
    by_name = {entry.basename: entry for entry in files.entries if names[entry.basename] == 1}
    stems = Counter(stem_in(image.image_id) for image in images)
    unreadable = ErrorCollector()
    plans = []
    for image in images:
        stem = stem_in(image.image_id)
        position = files.positions.get(posixpath.normpath(posixpath.join(folder, image.file_name)))
        entry = by_name.get(posixpath.basename(image.file_name)) if position is None else files.entries[position]
        if not stem:
            refused.add("image id", image.image_id)
        elif stems[stem] > 1:
            refused.add("duplicate image", image.image_id)
        elif any(segment.id == 0 for segment in image.segments):
            refused.add("segment 0", image.image_id)
        elif entry is None:
            refused.add("missing PNG", f"{image.image_id}: {image.file_name}")
        else:
            with unreadable.collect():
                plans.append(_Plan(stem, entry, image.segments, data.size(stem)))
    unreadable.raise_if_any()
    return plans


def _png_name(stem: str) -> str:
    return f"{stem}_panoptic.png"


def _write(path: Path, new: Path, plans: Sequence[_Plan], split: str, workers: int, *, convert: bool) -> int:
    """Write all files to the new folder, and return the number of segments without pixels.

    Raises:
        InputError: with every PNG that cannot be fixed.
    """
    json_name, folder = panoptic.file_names(split)
    refused = FaultCounts()
    kept: list[list[Segment]] = []
    with complete_folder(new) as part:
        work = functools.partial(_write_batch, path=path, part=part / folder)
        for _, written in parallel_map(work, archive_reader.batches(plans, workers), workers=workers, title="fix"):
            if isinstance(written, InputError):
                raise written
            refused.merge(written.refused)
            kept += written.segments
        refuse_to_fix(path, list(refused.findings(_REFUSED)))
        annotations = [
            {
                "image_id": plan.stem,
                "file_name": _png_name(plan.stem),
                "segments_info": [
                    {
                        "id": segment.id,
                        "category_id": BY_TRAIN_ID[segment.category_id].id if convert else segment.category_id,
                    }
                    for segment in segments
                ],
            }
            for plan, segments in zip(plans, kept, strict=True)
        ]
        write_text(part / json_name, json.dumps({"annotations": annotations}))
    return sum(len(plan.segments) for plan in plans) - sum(map(len, kept))


def _write_batch(plans: Sequence[_Plan], *, path: Path, part: Path) -> _Written:
    written = _Written()
    for plan, content in zip(plans, archive_reader.read(path, [plan.entry for plan in plans]), strict=True):
        written.segments.append([])
        if isinstance(content, InputError):
            written.refused.add("damaged", f"{plan.entry.name}: {content}")
            continue
        ids = segment_ids(content, plan.size)
        if isinstance(ids, tuple):
            written.refused.add(ids[0], f"{plan.entry.name}: {ids[1]}")
            continue
        present = set(ids.tolist())
        written.segments[-1] += (segment for segment in plan.segments if segment.id in present)
        unknown = present.difference((segment.id for segment in plan.segments), {0})
        if unknown:
            written.refused.add("not in JSON", f"{plan.stem}: {listed(unknown)}", len(unknown))
        else:
            write_bytes(part / _png_name(plan.stem), content)
    return written
