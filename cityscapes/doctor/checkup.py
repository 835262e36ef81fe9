"""Check of one scene: whether its files are undamaged and consistent."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.doctor.inventory import SceneFiles
from cityscapes.ground_truth import polygons
from cityscapes.labels import BY_TRAIN_ID, LABELS, VOID, find
from engine.errors import InputError
from engine.files import png_chunks
from engine.files.content import read_bytes
from engine.files.images import read_ids

Size = tuple[int, int]
"""Width and height in pixels."""

_SCORED = [label.id for label in LABELS if not label.ignore_in_eval]


class Complaint(NamedTuple):
    """Fault of one file."""

    kind: str
    """Kind of fault: unreadable, polygons or ids."""
    detail: str
    """Path of the file, and what is wrong with it."""


class Checkup(NamedTuple):
    """Results of reading the files of one scene."""

    sizes: dict[str, Size]
    """Kind of file -> size, without the files that cannot be read."""
    complaints: list[Complaint]
    """Faults of the files."""
    blank: bool
    """Whether the annotation has no object of a scored class, like the dummies of the test set."""


def check_up(scene: SceneFiles) -> Checkup:
    """Read every file of a scene once.

    Masks are decoded to check their ids. Decoding photographs would take ten times as long; instead, the checksums in
    the file verify every byte of them.
    """
    found = Checkup({}, [], blank=False)
    scored: list[bool] = []  # for each annotation and label-id mask: whether it has a scored class
    for kind, path in scene.files.items():
        try:
            if kind.endswith("polygons"):
                annotation = polygons.read(path)
                found.sizes[kind] = annotation.width, annotation.height
                scored.append(any(not find(shape.label)[0].ignore_in_eval for shape in annotation.shapes))
            elif kind in _ALLOWED:
                pixels = _read_ids(path, kind, found)
                if kind.endswith(("labelIds", "labelId")):
                    scored.append(bool(pixels[_SCORED].any()))
            else:
                found.sizes[kind] = _verified_size(path, is_photograph=kind == "image")
        except InputError as error:
            complaint = "polygons" if kind.endswith("polygons") else "unreadable"
            found.complaints.extend(Complaint(complaint, _without_remedy(message)) for message in error.messages)
    return found._replace(blank=bool(scored) and not any(scored))


def _verified_size(path: Path, *, is_photograph: bool) -> Size:
    """The size of an undamaged PNG.

    Raises:
        InputError: if the file is damaged, or is a 16-bit grey image although a photograph is expected.
    """
    try:
        head = png_chunks.inspect(read_bytes(path))
    except png_chunks.DamagedError as error:
        raise InputError(f"{path}: {error}") from error
    if is_photograph and (head.kind, head.bits) == (png_chunks.GREY, 16):
        raise InputError(f"{path}: got a 16-bit grey image, expected 8 bits per channel")
    return head.width, head.height


def _read_ids(path: Path, kind: str, found: Checkup) -> npt.NDArray[np.int64]:
    """(65536,) number of pixels with each id; ids that are not allowed are added to the complaints."""
    ids = read_ids(path)
    found.sizes[kind] = ids.shape[1], ids.shape[0]
    pixels = np.bincount(ids.ravel(), minlength=1 << 16)
    foreign = np.flatnonzero((pixels > 0) & ~_ALLOWED[kind])
    if foreign.size:
        shown = ", ".join(map(str, foreign[:6])) + (", ..." if foreign.size > 6 else "")
        found.complaints.append(Complaint("ids", f"{path}: {shown}"))
    return pixels


def _without_remedy(message: str) -> str:
    """A message without its remedy, because a finding has one remedy for all its files."""
    return message.split(";", maxsplit=1)[0]


def _table(*ids: int | range) -> npt.NDArray[np.bool_]:
    """(65536,) lookup that is True for the ids that may occur."""
    table = np.zeros(1 << 16, bool)
    for allowed in ids:
        table[list(allowed) if isinstance(allowed, range) else allowed] = True
    return table


_LABEL_IDS = range(34)
_INSTANCE_IDS = (range(1000 * label.id, 1000 * label.id + 1000) for label in LABELS if label.has_instances)
_ALLOWED = {
    "labelIds": _table(_LABEL_IDS),
    "labelId": _table(_LABEL_IDS),
    "trainId": _table(range(len(BY_TRAIN_ID)), VOID),
}
_ALLOWED["coarse labelIds"] = _ALLOWED["labelIds"]
_ALLOWED["instanceIds"] = _ALLOWED["coarse instanceIds"] = _ALLOWED["instanceId"] = _table(_LABEL_IDS, *_INSTANCE_IDS)
