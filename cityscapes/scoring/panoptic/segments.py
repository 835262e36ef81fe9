"""Segments and segment ids of one image, from instance ids or from the panoptic format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cityscapes.formats import panoptic, panoptic_reader, panoptic_writer
from cityscapes.labels import BY_ID
from cityscapes.predictions import FIX_COMMAND, LABEL_IDS
from cityscapes.scoring.panoptic.matching import CATEGORY_IDS, Segments
from engine.arrays import MIB, Int64Array
from engine.errors import InputError
from engine.files import png_reader
from engine.files.content import read_bytes
from engine.files.images import decode_image, stated_size

MAX_PNG = 64 * MIB
"""Bytes of the largest PNG that is read; an official image has 6 MiB without compression."""

_CLASS_OF = {category: index for index, category in enumerate(CATEGORY_IDS)}
_FIXABLE = ("train ids", "image id")
"""Kinds of faults of predictions that a command fixes."""
_MODES = ("RGB", "RGBA")
"""Pillow's modes that the official scorer can read; it ignores alpha."""
_NOWHERE = (0, 0, 0, 0)
"""Bounding box of a segment whose box is not needed."""
_SHOWN = 20
"""Number of ids in a message."""


def of_json(segments: Sequence[panoptic.Segment]) -> Segments:
    """Segments of an entry of a panoptic JSON file.

    Those of unknown categories are faults, and get class 0, so that their ids can be compared with the PNG.
    """
    return Segments(
        np.array([segment.id for segment in segments], np.int64),
        np.array([_CLASS_OF.get(segment.category_id, 0) for segment in segments], np.intp),
        np.array([segment.iscrowd == 1 for segment in segments], np.bool_),
    )


def of_instance_ids(path: Path, ids: npt.NDArray[np.integer[Any]]) -> Segments:
    """Segments that the official converter makes of instance ids: each id of a scored label is one.

    Args:
        path: the file with the ids, for messages.
        ids: (n,) ids that occur, in any order, with or without duplicates.

    Raises:
        InputError: if an id does not contain a label id.
    """
    found = np.unique(ids).tolist()
    if unknown := [number for number in found if panoptic_writer.label_id_of(number) not in BY_ID]:
        raise InputError(
            f"{path}: {_listed('instance id', unknown)}, expected label ids up to {LABEL_IDS - 1}, and 1000 x label id "
            "+ number for single objects; unpack gtFine_trainvaltest.zip again"
        )
    nowhere = (0, 0, 0, 0)
    return of_json(
        [panoptic_writer.segment(number, 0, nowhere) for number in found if panoptic_writer.is_scored(number)]
    )


def read(path: Path, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint32]:
    """Read the (H, W) segment ids of a PNG of the panoptic format; alpha is ignored, as in the official scorer.

    Args:
        path: of the file.
        size: expected height and width; an image of another size is refused before it is decoded.

    Raises:
        InputError: if the file is missing, damaged or too large, is neither RGB nor RGBA, or has another size.
    """
    content = read_bytes(path, MAX_PNG)
    stated = None if size is None else stated_size(content)
    if size is not None and stated is not None:
        _require_size(path, stated[::-1], size)
    pixels = png_reader.decode_rgb(content)
    if pixels is None:
        image = decode_image(path, content)
        if image.mode not in _MODES:
            raise InputError(
                f"{path}: image of mode {image.mode}, expected RGB; "
                "write the id of each segment as red + 256 x green + 65,536 x blue: "
                "python -m cityscapes.convert coco_panoptic JSON DIR NEW"
            )
        pixels = np.asarray(image)[..., :3]
        _require_size(path, pixels.shape[:2], size or pixels.shape[:2])
    return panoptic.ids_of(pixels)


def _require_size(path: Path, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if got != expected:
        raise InputError(
            f"{path}: got {got[1]} x {got[0]} pixels, expected {expected[1]} x {expected[0]} like the ground truth; "
            "predict at the size of the image: enlarge the scores before segments are formed"
        )


def prediction_faults(path: Path, json: Path, found: Int64Array, listed: Int64Array) -> list[str]:
    """Segments that are only in the PNG or only in the JSON file.

    Args:
        path: the PNG, for messages.
        json: the JSON file, for messages.
        found: ids of the pixels, without duplicates; 0 is void unless it is listed.
        listed: ids of the segments in the JSON file.
    """
    unlisted = np.setdiff1d(found[found != 0], listed).tolist()
    missing = np.setdiff1d(listed, found).tolist()
    faults = []
    if unlisted:
        faults.append(
            f"{path}: {_listed('segment id', unlisted)} not in {json.name}; list each segment of the PNG, "
            "and write 0 where there is none"
        )
    if missing:
        faults.append(f"{json}: {_listed('segment id', missing)} not in {path.name}; leave out segments without pixels")
    return faults


def messages(json: Path, faults: Sequence[panoptic_reader.Fault]) -> list[str]:
    """The faults of a panoptic JSON file as messages with its name and the remedy."""
    remedies = {**panoptic_reader.REMEDIES, **dict.fromkeys(_FIXABLE, f"fix the predictions: {FIX_COMMAND}")}
    return [
        f"{json}: {f'{fault.where}: ' if fault.where else ''}{fault.what}; {remedies[fault.kind]}" for fault in faults
    ]


def _listed(noun: str, ids: Sequence[int]) -> str:
    """Ids for a message, for example `segment ids 3, 8, 11, ... (20 in all)`."""
    shown = ", ".join(map(str, ids[:_SHOWN]))
    more = f", ... ({len(ids)} in all)" if len(ids) > _SHOWN else ""
    return f"{noun}{'s' if len(ids) > 1 else ''} {shown}{more}"
