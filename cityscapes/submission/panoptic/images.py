"""Check of the PNGs of some annotated images against their segments, in a worker process."""

import hashlib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.formats import panoptic
from cityscapes.submission import archive_reader
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.completeness import ExpectedImages, Size
from cityscapes.submission.fault_counts import FaultCounts
from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files import png_chunks, png_reader
from engine.files.images import DAMAGED, quiet_pillow
from engine.findings import counted

UNDECODABLE = (png_chunks.DamagedError, *DAMAGED)
"""Exceptions that decoding a damaged PNG may raise."""

_MAX_PIXELS = 1 << 26
"""Number of pixels above which images of unknown size are not decoded: an official one has 1 << 21."""
_SHOWN = 3
"""Number of segment ids in an example."""
_RGBA = 6
"""Colour type of PNG, which the official scorer reads without its alpha."""
_COLOUR_TYPES = {
    png_chunks.GREY: "grey",
    png_chunks.RGB: "RGB",
    png_chunks.PALETTE: "palette",
    4: "grey and alpha",
    _RGBA: "RGBA",
}


class Annotated(NamedTuple):
    """An annotated image and its PNG."""

    stem: str
    """Stem of the image."""
    entry: Entry
    """PNG of the image."""
    segments: Collection[int]
    """Ids of its segments in the JSON file."""


@dataclass
class Checked:
    """Result of checking some PNGs."""

    faults: FaultCounts = field(default_factory=FaultCounts)
    digests: dict[str, str] = field(default_factory=dict)
    """Path of each PNG -> its SHA-256 in hexadecimal."""


def check(annotated: Sequence[Annotated], source: Path, images: ExpectedImages) -> Checked:
    """Check the PNGs of some images in a folder or zip."""
    checked = Checked()
    contents = archive_reader.read(source, [image.entry for image in annotated])
    for image, content in zip(annotated, contents, strict=True):
        name = image.entry.name
        if isinstance(content, InputError):
            checked.faults.add("damaged", f"{name}: {content}")
            continue
        checked.digests[name] = hashlib.sha256(content).hexdigest()
        ids = segment_ids(content, images.size_of(image.stem))
        if isinstance(ids, tuple):
            kind, detail = ids
            checked.faults.add(kind, f"{name}: {detail}")
            continue
        if png_chunks.header(content).kind == _RGBA:
            checked.faults.add("RGBA", name)
        _compare(image, ids, checked.faults)
    return checked


def _compare(image: Annotated, ids: npt.NDArray[np.uint32], counts: FaultCounts) -> None:
    """Compare the ids in a PNG with those in the JSON file."""
    present, segments = set(ids.tolist()), image.segments
    for kind, some in (
        ("not in JSON", present.difference(segments, {0})),
        ("not in PNG", set(segments) - present - {0}),
    ):
        if some:
            counts.add(kind, f"{image.stem}: {listed(some)}", len(some))


def listed(ids: Collection[int]) -> str:
    """The first ids, and the number of the others."""
    ordered = sorted(ids)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return f"{'id' if len(ordered) == 1 else 'ids'} {', '.join(map(str, ordered[:_SHOWN]))}{more}"


def segment_ids(content: bytes, right: Size | None) -> npt.NDArray[np.uint32] | tuple[str, str]:
    """The ids in a PNG, ascending; or kind and details of what is wrong with it.

    Args:
        content: of the file.
        right: width and height of the image; None if they are not known.
    """
    if content and not content.startswith(png_chunks.SIGNATURE):
        return "not a PNG", f"{len(content)} bytes"
    try:
        head = png_chunks.inspect(content)
        if head.kind not in (png_chunks.RGB, _RGBA) or head.bits != 8:
            return "not RGB", f"{_COLOUR_TYPES.get(head.kind, 'unknown')} of {counted(head.bits, 'bit')}"
        size = head.width, head.height
        if right is not None and size != right:
            return "size", f"got {size[0]} x {size[1]}, expected {right[0]} x {right[1]}"
        if size[0] * size[1] > _MAX_PIXELS:
            return "damaged", f"declares {size[0]} x {size[1]} pixels"
        return _unique(panoptic.ids_of(_pixels(content)))
    except UNDECODABLE as error:
        return "damaged", str(error)


def _pixels(content: bytes) -> UInt8Array:
    """(H, W, 3) pixels of a PNG of kind RGB or RGBA.

    Raises:
        UNDECODABLE: if it is damaged.
    """
    pixels = png_reader.decode_rgb(content)
    if pixels is not None:
        return pixels
    from PIL import Image

    png_chunks.verify(content)
    with quiet_pillow():
        return np.asarray(Image.open(io.BytesIO(content), formats=["PNG"]))[..., :3]


def _unique(ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Different ids, ascending. Only the first pixel of each run is sorted, a hundredth of all pixels."""
    flat = ids.reshape(-1)
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.unique(np.append(flat[:1], flat[starts]))
