"""The text file, the masks and the ground truth of one scene; every fault of them becomes a message."""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cityscapes.formats import instance
from cityscapes.formats.instance import MAX_LINES, BoxedMask, InstanceLine
from cityscapes.labels import BY_ID
from cityscapes.predictions import FIX_COMMAND
from cityscapes.scoring.instance.matching import CLASS_OF, GroundTruth, ImageMatches, Matcher, label_ids
from cityscapes.scoring.instance.pairs import Pair
from engine.arrays import MIB
from engine.errors import ErrorCollector, InputError
from engine.files.content import read_bytes
from engine.files.images import read_ids, stated_size

MAX_TEXT = 16 * MIB
"""Bytes of the largest text file that is read."""
MAX_MASK = 64 * MIB
"""Bytes of the largest mask that is read; an official image has 6 MiB without compression."""

_REMEDIES = {
    "encoding": "save it as UTF-8",
    "lines": f"keep the {MAX_LINES:,} most confident instances, or fewer",
    "fields": f"write each line as the server reads it: {FIX_COMMAND}",
    "path": "name a mask in each line",
    "absolute path": f"write paths relative to the folder of the text file: {FIX_COMMAND}",
    "outside": "move the masks into the folder of the predictions",
    "label id": "write label ids, not train ids",
    "confidence": "write a finite number, for example 0.87",
}
"""Kind of a fault in a line -> what to do."""
_SIZE_REMEDY = "write each mask at the size of the image"
_AGAIN = "unpack gtFine_trainvaltest.zip again"


class Unscored(NamedTuple):
    """Masks of a scene that are listed and not scored, as in the official script."""

    labels: Counter[int]
    """Label ids without instances, with their numbers of masks."""
    repeated: int
    """Number of lines whose mask is listed again further down."""
    empty: int
    """Number of masks without a pixel."""

    def plus(self, other: "Unscored") -> "Unscored":
        """The sum of both."""
        return Unscored(self.labels + other.labels, self.repeated + other.repeated, self.empty + other.empty)


def match(pair: Pair, predictions: Path) -> tuple[ImageMatches, Unscored, tuple[int, int]]:
    """Read the files of one scene and count the overlaps.

    Args:
        pair: the files.
        predictions: folder of all predictions, which masks must not be outside of.

    Returns:
        the overlaps, the masks that are not scored, and width and height of the scene.

    Raises:
        InputError: with every fault of the text file, of the masks and of the ground truth.
    """
    faults = ErrorCollector()
    matcher: Matcher | None = None
    size: tuple[int, int] | None = None
    with faults.collect():
        truth = read_truth(pair.instance_ids)
        matcher, size = Matcher(truth), truth.size
    folder = pair.text.parent.relative_to(predictions).as_posix()
    lines, messages = read_lines(pair.text, folder)
    last = {instance.path_within(line.mask, folder): line for line in lines}  # the last line wins
    base = os.path.realpath(predictions)
    empty = 0
    for path, line in last.items():
        if path is None or line.label_id not in CLASS_OF:
            continue
        with faults.collect():
            mask = read_mask(predictions / path, size, line, pair.text, base)
            empty += not mask.pixels.size
            if matcher is not None:
                matcher.add(CLASS_OF[line.label_id], line.confidence, mask)
    if messages or faults.messages or matcher is None or size is None:
        raise InputError(*messages, *faults.messages)
    labels = Counter(line.label_id for line in last.values() if line.label_id not in CLASS_OF)
    return matcher.matches(pair.stem), Unscored(labels, len(lines) - len(last), empty), size


def read_truth(path: Path) -> GroundTruth:
    """Read the official mask of instance ids of a scene.

    Raises:
        InputError: if it cannot be read, or if it has an id of a label that does not exist.
    """
    truth = GroundTruth(read_ids(path))
    present = np.flatnonzero(truth.pixels_of)
    unknown = present[~np.isin(label_ids(present), list(BY_ID))]
    if unknown.size:
        raise InputError(f"{path}: got instance id {unknown[0]}, whose label does not exist; {_AGAIN}")
    return truth


def read_lines(path: Path, folder: str) -> tuple[list[InstanceLine], list[str]]:
    """The lines of a text file, and messages about the file and its faulty lines.

    Args:
        path: of the file.
        folder: path of its folder within the folder of all predictions.
    """
    try:
        content = read_bytes(path, MAX_TEXT)
    except InputError as error:
        return [], list(error.messages)
    lines, faults = instance.parse(content, folder)
    return lines, [f"{path}: line {fault.number}: {fault.what}; {_REMEDIES[fault.kind]}" for fault in faults]


def read_mask(path: Path, size: tuple[int, int] | None, line: InstanceLine, text: Path, base: str) -> BoxedMask:
    """Read the mask that a line of a text file names.

    Args:
        path: of the mask.
        size: width and height that it must have; None if they are not known.
        line: that names it.
        text: the text file.
        base: folder of all predictions, without links in its path.

    Raises:
        InputError: if it does not exist, is damaged, has another size, or is outside of the folder through a link.
    """
    where = f"line {line.number} of {text.name}"
    if not os.path.realpath(path).startswith(f"{base.rstrip(os.sep)}{os.sep}"):
        raise InputError(f"{path}: a link leads out of the folder of the predictions ({where}); copy the masks there")
    try:
        content = read_bytes(path, MAX_MASK)
    except InputError:
        if os.path.lexists(path):
            raise
        raise InputError(
            f"{path}: no such file, but {where} names it; copy the mask there, or correct the paths: {FIX_COMMAND}"
        ) from None
    _require_size(path, stated_size(content), size)
    mask = instance.read_mask(content, path)
    _require_size(path, mask.size, size)
    return mask


def _require_size(path: Path, size: tuple[int, int] | None, expected: tuple[int, int] | None) -> None:
    """Check the size of a mask, if both sizes are known; before decoding, because a header may state any size."""
    if size is not None and expected is not None and size != expected:
        got, wanted = (f"{width} x {height}" for width, height in (size, expected))
        raise InputError(f"{path}: got {got} pixels, expected {wanted} like the ground truth; {_SIZE_REMEDY}")
