"""Ground truth: draws the masks of whole splits in parallel and compares them with the official ones."""

import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cityscapes.ground_truth import polygons
from cityscapes.ground_truth.agreement import Agreement, compare
from cityscapes.ground_truth.seal import fingerprint, is_sealed, sealed
from cityscapes.ground_truth.worklist import Job
from cityscapes.labels import OFFICIAL, LabelTable
from engine import parallel
from engine.arrays import IdArray, UInt8Array
from engine.errors import InputError
from engine.files import atomic, png_reader, png_writer
from engine.files.content import read_bytes, reading
from engine.files.images import read_ids

_SOFTWARE = "generate_gt.py"
"""Note in all masks written here; it distinguishes them from the official masks."""

OFFICIAL_NAMES = {"labelId": "labelIds", "trainId": "labelTrainIds", "color": "color", "instanceId": "instanceIds"}
"""Kind of mask -> name of this kind in the official tools."""

_MAX_LABEL_ID = 255
_START = 1024
"""Number of bytes from the start of a mask in which the note is."""


@dataclass(frozen=True)
class MaskOptions:
    """Options that decide which masks are made, and how."""

    fill: str = "exact"
    """Polygon fill rule, a key of `polygons.FILLS`."""
    table: LabelTable = OFFICIAL
    """Label table of the annotations."""
    from_labels: bool = False
    """Make train ids and colours from the official label ids, without polygons."""
    official_names: bool = False
    """Write masks also next to the polygons, under the names that other tools expect."""
    instance_ids: bool = False
    """Whether to make masks of instance ids."""
    redo: bool = False
    """Make all masks again, even those that are up to date."""

    def __post_init__(self) -> None:
        if self.from_labels and (self.instance_ids or self.fill != "exact"):
            raise InputError(
                "--from_labels makes no instance ids and fills no polygons; leave out --instance_ids and --fill"
            )

    @property
    def kinds(self) -> list[str]:
        """The kinds of masks to make for each image."""
        drawn = [] if self.from_labels else ["labelId"]
        return [*drawn, "trainId", "color", *(["instanceId"] if self.instance_ids else [])]

    @functools.cached_property
    def lookups(self) -> dict[str, png_writer.Lookup]:
        """Kind of mask -> lookup from label ids to pixel values."""
        return {
            "labelId": png_writer.Lookup(np.arange(256, dtype=np.uint8)),
            "trainId": png_writer.Lookup(self.table.train_id_of),
            "color": png_writer.Lookup(self.table.color_of),
        }

    @functools.cached_property
    def note(self) -> str:
        """Text that is noted in the masks: the program and the settings that differ from the default."""
        words = [_SOFTWARE]
        if self.fill != "exact" and not self.from_labels:
            words.append(f"fill={self.fill}")
        if self.table.labels != OFFICIAL.labels:
            words.append(f"labels={zlib.crc32(repr(self.table.labels).encode()):08x}")
        return " ".join(words)


@dataclass
class GroundTruthResult:
    """Counts, faults and agreement over all images."""

    drawn: int = 0
    """Number of images for which at least one mask was made."""
    up_to_date: int = 0
    """Number of images whose masks were all up to date."""
    written: int = 0
    """Number of mask files written, including those next to the polygons."""
    faulty: int = 0
    """Number of images that failed because of faulty files."""
    faults: list[str] = field(default_factory=list)
    """Error messages of the faulty images."""
    agreement: Agreement = field(default_factory=Agreement)
    """Agreement with the official masks, summed over images."""


def generate(jobs: Sequence[Job], options: MaskOptions, *, workers: int) -> GroundTruthResult:
    """Make the masks that are missing, damaged or changed, or were made from other polygons or with other settings.

    Faulty files do not stop the others; the result lists the faults.
    """
    for folder in {path.parent for job in jobs for path in (job.generated_prefix, job.official_prefix)}:
        atomic.remove_all_unfinished(folder)
    result = GroundTruthResult()
    make_one = functools.partial(make_masks, options)
    for _, outcome in parallel.parallel_map(make_one, jobs, workers=workers, title="ground truth"):
        if isinstance(outcome, InputError):
            result.faulty += 1
            result.faults.extend(outcome.messages)
            continue
        written, agreement = outcome
        result.drawn += written > 0
        result.up_to_date += not written
        result.written += written
        result.agreement.add(agreement)
    return result


def make_masks(options: MaskOptions, job: Job) -> tuple[int, Agreement]:
    """Make the masks of one image that are not up to date.

    Returns:
        The number of files written, and the agreement with the official mask.

    Raises:
        InputError: if the polygons or the official mask are faulty.
    """
    path = job.official_mask("labelIds") if options.from_labels else job.polygons
    source = fingerprint(read_bytes(path))  # before drawing: if the file changes meanwhile, the seal shows it
    stale = {out: kind for out, kind in outputs(options, job).items() if _is_stale(out, kind, source, options)}
    label_ids = None
    if stale:
        png_reader.keep_freed_memory()
        label_ids, encoded = _from_labels(path, options) if options.from_labels else _from_polygons(path, options)
        content = {
            kind: sealed(encoded(kind), source, _settings(kind, options)) for kind in dict.fromkeys(stale.values())
        }
        for out, kind in stale.items():
            atomic.write_bytes(out, content[kind])
    return len(stale), Agreement() if options.from_labels else _agreement(job, label_ids)


def outputs(options: MaskOptions, job: Job) -> dict[Path, str]:
    """All mask files to write for an image -> kind of mask; official masks are left out."""
    generated = {job.generated_mask(kind): kind for kind in options.kinds}
    if not options.official_names:
        return generated
    official = {job.official_mask(OFFICIAL_NAMES[kind]): kind for kind in options.kinds}
    return generated | {path: kind for path, kind in official.items() if not path.exists() or _made_here(path)}


Encoder = Callable[[str], bytes]
"""Function from the kind of a mask to the content of its PNG file."""


def _from_polygons(source: Path, options: MaskOptions) -> tuple[UInt8Array, Encoder]:
    """Draw the label ids; return them and an encoder for all masks of the image."""
    annotation = polygons.read(source, options.table)
    with _prefixed_with(source):
        masks = polygons.draw(annotation, options.table, polygons.FILLS[options.fill])
    lookups = _lookups(masks.label_ids, options)

    def encoded(kind: str) -> bytes:
        if kind != "instanceId":
            return lookups(kind)
        with _prefixed_with(source):
            return png_writer.encode(masks.instance_ids, {"Software": options.note})

    return masks.label_ids, encoded


@contextmanager
def _prefixed_with(source: Path) -> Iterator[None]:
    """Prefix the error messages of drawing with the path of the polygon file."""
    try:
        yield
    except InputError as error:
        raise InputError(*(f"{source}: {message}" for message in error.messages)) from error


def _from_labels(source: Path, options: MaskOptions) -> tuple[UInt8Array, Encoder]:
    """Read the label ids of an official mask; return them and an encoder for the masks that follow from them."""
    ids = read_ids(source)
    unknown = sorted(set(np.unique(ids).tolist()) - options.table.names.keys())
    if unknown:
        raise InputError(
            f"{source}: expected label ids (0 to {max(options.table.names)}), got {', '.join(map(str, unknown[:10]))}; "
            "these may be train ids or instance ids: unpack the labelIds masks of the data set again"
        )
    label_ids = ids.astype(np.uint8, copy=False)
    return label_ids, _lookups(label_ids, options)


def _lookups(label_ids: UInt8Array, options: MaskOptions) -> Encoder:
    steps = png_writer.Steps.of(label_ids)
    return lambda kind: png_writer.encode_lookup(steps, options.lookups[kind], {"Software": options.note})


def _agreement(job: Job, drawn: IdArray | None) -> Agreement:
    """The agreement with the official mask; empty if the data set has none for this image."""
    path = job.official_mask("labelIds")
    if not path.exists() or _made_here(path):
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


def _made_here(path: Path) -> bool:
    with reading(path) as file:
        note = png_reader.note(file.read(_START), b"Software")
    return (note or "").split(" ")[0] == _SOFTWARE


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
