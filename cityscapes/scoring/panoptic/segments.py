"""Segments and segment ids of one image, from instance ids or from the panoptic format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cityscapes.formats import panoptic, panoptic_reader
from cityscapes.labels import BY_ID
from cityscapes.predictions import LABEL_IDS
from cityscapes.scoring.panoptic.matching import CATEGORY_IDS, Segments
from engine.arrays import Int64Array
from engine.errors import InputError
from engine.files import png_reader
from engine.files.content import read_bytes
from engine.files.images import open_image

_FIRST_INSTANCE = 1000
"""Lowest id of a single object; lower ids are the label ids of all other areas."""
_CLASS_OF = {category: index for index, category in enumerate(CATEGORY_IDS)}
_MODES = ("RGB", "RGBA")
"""Pillow's modes that the official scorer can read; it ignores alpha."""
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
    found: Int64Array = np.unique(ids).astype(np.int64)
    label_ids = np.where(found < _FIRST_INSTANCE, found, found // 1000)
    if (unknown := found[label_ids >= LABEL_IDS]).size:
        raise InputError(
            f"{path}: {_listed('instance id', unknown.tolist())}, expected label ids up to {LABEL_IDS - 1}, and 1000 x "
            "label id + number for single objects; unpack gtFine_trainvaltest.zip again"
        )
    labels = [BY_ID[label_id] for label_id in label_ids.tolist()]
    classes = np.array([_CLASS_OF.get(label.id, -1) for label in labels], np.intp)
    has_instances = np.array([label.has_instances for label in labels], np.bool_)
    scored = classes >= 0
    return Segments(found[scored], classes[scored], (has_instances & (found < _FIRST_INSTANCE))[scored])


def read(path: Path) -> npt.NDArray[np.uint32]:
    """Read the (H, W) segment ids of a PNG of the panoptic format; alpha is ignored, as in the official scorer.

    Raises:
        InputError: if the file is missing, damaged or too large, or is neither RGB nor RGBA.
    """
    pixels = png_reader.decode_rgb(read_bytes(path))
    if pixels is None:
        image = open_image(path)
        if image.mode not in _MODES:
            raise InputError(
                f"{path}: image of mode {image.mode}, expected RGB; "
                "write the id of each segment as red + 256 x green + 65,536 x blue"
            )
        pixels = np.asarray(image)[..., :3]
    return panoptic.ids_of(pixels)


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
    return [
        f"{json}: {f'{fault.where}: ' if fault.where else ''}{fault.what}; {panoptic_reader.REMEDIES[fault.kind]}"
        for fault in faults
    ]


def _listed(noun: str, ids: Sequence[int]) -> str:
    """Ids for a message, for example `segment ids 3, 8, 11, ... (20 in all)`."""
    shown = ", ".join(map(str, ids[:_SHOWN]))
    more = f", ... ({len(ids)} in all)" if len(ids) > _SHOWN else ""
    return f"{noun}{'s' if len(ids) > 1 else ''} {shown}{more}"
