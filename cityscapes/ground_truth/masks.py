"""The masks of one image: those that are not up to date are drawn, sealed and written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cityscapes.ground_truth import panoptic, polygons
from cityscapes.ground_truth.agreement import Agreement, compare
from cityscapes.ground_truth.options import SOFTWARE, MaskOptions
from cityscapes.ground_truth.seal import fingerprint, is_sealed, sealed
from cityscapes.ground_truth.worklist import Job
from cityscapes.labels import LabelTable
from engine.arrays import IdArray, UInt8Array
from engine.errors import InputError
from engine.files import atomic, png_chunks, png_reader, png_writer
from engine.files.content import read_bytes, reading
from engine.files.images import read_ids

OFFICIAL_NAMES = {"labelId": "labelIds", "trainId": "labelTrainIds", "color": "color", "instanceId": "instanceIds"}
"""Kind of mask -> name of this kind in the official tools."""

_MAX_LABEL_ID = 255
_START = 1024
"""Number of bytes from the start of a mask in which the note is."""


class Made(NamedTuple):
    """Result of making the masks of one image."""

    written: int
    """Number of files written."""
    agreement: Agreement
    """Agreement with the official mask."""
    record: panoptic.Record | None
    """Segments of its panoptic ground truth, if that is made."""


def make_masks(options: MaskOptions, job: Job) -> Made:
    """Make the masks of one image that are not up to date.

    Raises:
        InputError: if the polygons or an official mask are faulty.
    """
    source = _fingerprints(options, job)  # before drawing: if a file changes meanwhile, the seal shows it
    stale = {out: kind for out, kind in outputs(options, job).items() if _is_stale(out, kind, source[kind], options)}
    label_ids = None
    if stale:
        png_reader.keep_freed_memory()
        label_ids, encoded = (_from_labels if options.from_labels else _from_polygons)(job, options)
        content = {
            kind: sealed(encoded(kind), source[kind], _settings(kind, options))
            for kind in dict.fromkeys(stale.values())
        }
        for out, kind in stale.items():
            if kind == panoptic.KIND:
                panoptic.announce(out)
            atomic.write_bytes(out, content[kind])
    agreement = Agreement() if options.from_labels else _agreement(job, label_ids)
    record = panoptic.record(read_bytes(options.variants[0].png(job))) if options.variants else None
    return Made(len(stale), agreement, record)


def _fingerprints(options: MaskOptions, job: Job) -> dict[str, bytes]:
    """Kind of mask -> fingerprint of the file that it is made from; each file is read once.

    Raises:
        InputError: if a file cannot be read.
    """
    sources = {kind: options.source(job, kind) for kind in options.kinds}
    of = {path: fingerprint(read_bytes(path)) for path in dict.fromkeys(sources.values())}
    return {kind: of[path] for kind, path in sources.items()}


def outputs(options: MaskOptions, job: Job) -> dict[Path, str]:
    """All mask files to write for an image -> kind of mask; official masks are left out."""
    kinds = [kind for kind in options.kinds if kind in OFFICIAL_NAMES]
    generated = {job.generated_mask(kind): kind for kind in kinds}
    generated |= {one.png(job): panoptic.KIND for one in options.variants if not one.official}
    if not options.official_names:
        return generated
    official = {job.official_mask(OFFICIAL_NAMES[kind]): kind for kind in kinds}
    official |= {one.png(job): panoptic.KIND for one in options.variants if one.official}
    return generated | {path: kind for path, kind in official.items() if not path.exists() or made_here(path)}


Encoder = Callable[[str], bytes]
"""Function from the kind of a mask to the content of its PNG file."""


def _from_polygons(job: Job, options: MaskOptions) -> tuple[UInt8Array, Encoder]:
    """Draw the label ids; return them and an encoder for all masks of the image."""
    source = job.polygons
    annotation = polygons.read(source, options.table)
    with _prefixed_with(source):
        masks = polygons.draw(annotation, options.table, polygons.FILLS[options.fill])
    lookups = _lookups(masks.label_ids, options)

    def encoded(kind: str) -> bytes:
        if kind not in ("instanceId", panoptic.KIND):
            return lookups(kind)
        with _prefixed_with(source):
            if kind == panoptic.KIND:
                return panoptic.encode_drawn(masks, options.note)
            return png_writer.encode(masks.instance_ids, {"Software": options.note})

    return masks.label_ids, encoded


@contextmanager
def _prefixed_with(source: Path) -> Iterator[None]:
    """Prefix the error messages of drawing with the path of the polygon file."""
    try:
        yield
    except InputError as error:
        raise InputError(*(f"{source}: {message}" for message in error.messages)) from error


def _from_labels(job: Job, options: MaskOptions) -> tuple[UInt8Array, Encoder]:
    """Read the label ids of an official mask; return them and an encoder for the masks made from official masks."""
    source = job.official_mask("labelIds")
    ids = read_ids(source)
    if unknown := _unknown_ids(ids, options.table):
        raise InputError(
            f"{source}: expected label ids (0 to {max(options.table.names)}), got {', '.join(map(str, unknown[:10]))}; "
            "these may be train ids or instance ids: unpack the labelIds masks of the data set again"
        )
    label_ids = ids.astype(np.uint8, copy=False)
    lookups = _lookups(label_ids, options)

    def encoded(kind: str) -> bytes:
        if kind != panoptic.KIND:
            return lookups(kind)
        path = options.source(job, kind)
        instance_ids = read_ids(path)
        with _prefixed_with(path):
            return panoptic.encode(instance_ids, options.note)

    return label_ids, encoded


def _unknown_ids(ids: IdArray, table: LabelTable) -> list[int]:
    """The ids that are not in a label table, ascending; without a search if the table has all ids up to the largest."""
    if table.names.keys() >= set(range(int(ids.max()) + 1)):
        return []
    return sorted(set(np.unique(ids).tolist()) - table.names.keys())


def _lookups(label_ids: UInt8Array, options: MaskOptions) -> Encoder:
    steps = png_writer.Steps.of(label_ids)
    return lambda kind: png_writer.encode_lookup(steps, options.lookups[kind], {"Software": options.note})


def _agreement(job: Job, drawn: IdArray | None) -> Agreement:
    """The agreement with the official mask; empty if the data set has none for this image."""
    path = job.official_mask("labelIds")
    if not path.exists() or made_here(path):
        return Agreement()
    official = read_ids(path)
    if drawn is None:
        drawn = read_ids(job.generated_mask("labelId"))
    if official.shape != drawn.shape:
        raise InputError(
            f"{path}: the official mask is {official.shape[1]} x {official.shape[0]}, but its polygon file says "
            f"{drawn.shape[1]} x {drawn.shape[0]}; unpack both again"
        )
    if official.max() > _MAX_LABEL_ID:
        raise InputError(
            f"{path}: got the id {official.max()}, expected label ids, at most {_MAX_LABEL_ID}; these may be instance "
            "ids: unpack the labelIds masks of the data set again"
        )
    return compare(job, drawn, official)


def made_here(path: Path) -> bool:
    """Whether `generate_gt.py` wrote a mask."""
    with reading(path) as file:
        note = png_chunks.note(file.read(_START), b"Software")
    return (note or "").split(" ")[0] == SOFTWARE


def _is_stale(path: Path, kind: str, source: bytes, options: MaskOptions) -> bool:
    """Whether a mask is missing, damaged or changed, or was made from another source or with other settings.

    Raises:
        InputError: if the file exists but cannot be read.
    """
    if options.redo or not path.exists():
        return True
    return not is_sealed(read_bytes(path), source, _settings(kind, options))


def _settings(kind: str, options: MaskOptions) -> str:
    return f"{kind} {options.note}"
