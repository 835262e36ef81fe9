"""Panoptic ground truth: a PNG for each scene and a JSON file for each split, equal to the official ones.

`createPanopticImgs.py` of cityscapesScripts makes the official ones. Here a PNG also contains a note with the segments
of its scene. So the JSON file follows from the PNGs alone, and a rerun decodes none of those that are up to date.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.formats import panoptic, panoptic_writer
from cityscapes.formats.panoptic import AnnotatedImage, Segment
from cityscapes.ground_truth.polygons import Masks
from cityscapes.ground_truth.worklist import Job
from engine.arrays import IdArray
from engine.files import png_chunks
from engine.files.atomic import replacing
from engine.files.content import reading
from engine.findings import counted

KIND = "panoptic"
"""Kind of mask of the PNGs, which are the same in all variants."""

_NOTE = "Segments"


class Variant(NamedTuple):
    """One of the places and kinds of category ids of panoptic ground truth."""

    official: bool
    """Whether it is next to the annotations, where other tools expect it, instead of next to the masks made here."""
    train_ids: bool
    """Whether its category ids are train ids instead of label ids."""

    def json(self, job: Job) -> Path:
        """The path of the JSON file with the scene; it is next to the folder of its split."""
        return self._split(job).with_name(panoptic.file_names(self._split(job).name, train_ids=self.train_ids)[0])

    def png(self, job: Job) -> Path:
        """The path of the PNG of a scene."""
        return self.json(job).with_suffix("") / panoptic.png_name(job.name)

    def _split(self, job: Job) -> Path:
        return (job.official_prefix if self.official else job.generated_prefix).parents[1]


class Record(NamedTuple):
    """Size and segments of one scene."""

    width: int
    height: int
    segments: str
    """Id, area, left, top, width and height of each segment, with a comma between segments."""


class Document(NamedTuple):
    """Result of writing the JSON file of one split."""

    path: Path
    images: int
    """Number of images that it lists."""
    left_out: int
    """Number of faulty scenes, which it does not list."""
    written: bool
    """Whether it was written, because it did not exist or differed."""
    kept: bool
    """Whether it differs and was kept, because another tool made some of its PNGs."""

    def __str__(self) -> str:
        if self.kept:
            remedy = "to replace it, move it and its folder of PNGs away, and run the same command again"
            return f"{self.path}: it differs, and is kept because another tool made its PNGs; {remedy}"
        left_out = f"; {counted(self.left_out, 'faulty scene')} left out" if self.left_out else ""
        state = "written" if self.written else "up to date"
        return f"{self.path}: {counted(self.images, 'image')}, {state}{left_out}"


def encode_drawn(masks: Masks, software: str) -> bytes:
    """The PNG of drawn masks, see `encode`.

    Raises:
        InputError: for every label with too many objects.
    """
    masks.require_distinct_instances()
    pieces = masks.pieces
    row, first = np.divmod(np.cumsum(pieces.length) - pieces.length, pieces.width)
    # Pieces of an object lie in one row each. Only those of the background, which is not scored, may be longer.
    runs = panoptic_writer.Runs(masks.instance_of[pieces.top], row, first, pieces.length)
    return _encoded(*panoptic_writer.of_runs(runs, (pieces.height, pieces.width)), software)


def encode(instance_ids: IdArray, software: str) -> bytes:
    """The PNG of a (H, W) mask of instance ids, with its segments as a note.

    Raises:
        InputError: if there are ids that are not instance ids of Cityscapes.
    """
    return _encoded(*panoptic_writer.of_instance_ids(instance_ids), software)


def _encoded(ids: npt.NDArray[np.uint16], segments: list[Segment], software: str) -> bytes:
    note = ",".join(" ".join(map(str, (segment.id, segment.area, *(segment.bbox or ())))) for segment in segments)
    return panoptic.encode(ids, {"Software": software, _NOTE: note})


def record(content: bytes) -> Record:
    """The record of a scene, from its PNG as made here."""
    head = png_chunks.header(content)
    return Record(head.width, head.height, png_chunks.note(content, _NOTE.encode()) or "")


def announce(png: Path) -> None:
    """Remove the JSON file before one of its PNGs is replaced, so that an interrupted run leaves none that is wrong."""
    if png.exists():
        with suppress(OSError):  # then the PNG cannot be replaced either, which is an error with a message
            png.parent.with_suffix(".json").unlink(missing_ok=True)


def write_document(
    variant: Variant, scenes: Sequence[tuple[Job, Record | None]], made_here: Callable[[Path], bool]
) -> Document:
    """Write the JSON file of a split, unless it is up to date.

    Args:
        variant: its place and kind of category ids.
        scenes: all scenes of the split, with None for each faulty one. The file does not list these, because their PNGs
            may be missing.
        made_here: function that returns whether `generate_gt.py` made a PNG; a file with others is not replaced.

    Raises:
        InputError: if it cannot be read or written.
    """
    path = variant.json(scenes[0][0])
    ordered = sorted(scenes, key=lambda scene: str(scene[0].official_mask("instanceIds")))  # the official order
    good = [(job.name, found) for job, found in ordered if found is not None]

    def parts() -> Iterator[bytes]:
        images = (_image(name, found, variant.train_ids) for name, found in good)
        return (part.encode() for part in panoptic_writer.truth_text(images, train_ids=variant.train_ids))

    same = path.exists() and _holds(path, parts())
    kept = not same and path.exists() and not all(made_here(variant.png(job)) for job, found in scenes if found)
    if not same and not kept:
        with replacing(path) as file:
            file.writelines(parts())
    return Document(path, len(good), len(scenes) - len(good), not same and not kept, kept)


def _image(name: str, found: Record, train_ids: bool) -> tuple[AnnotatedImage, int, int]:
    """The entry of one scene, and its width and height."""
    segments = []
    for text in found.segments.split(",") if found.segments else ():
        of, area, left, top, width, height = map(int, text.split(" "))
        segments.append(panoptic_writer.segment(of, area, (left, top, width, height), train_ids=train_ids))
    return AnnotatedImage(name, panoptic.png_name(name), segments), found.width, found.height


def _holds(path: Path, parts: Iterator[bytes]) -> bool:
    """Whether a file has this content."""
    with reading(path) as file:
        return all(file.read(len(part)) == part for part in parts) and not file.read(1)
