"""Predictions of the instance task: a text file per image, and a mask per instance.

    <city>_<6 digits>_<6 digits>*.txt     lines of: path of a mask, label id, confidence; single blanks between them
    any name in the same folder or below  masks: an image of the size of the scene, non-zero pixels are the instance

The rules are those of `evalInstanceLevelSemanticLabeling.py`: paths are relative to the folder of the text file, and
label ids are read as numbers whose fraction is dropped.
"""

import math
import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID, LABELS
from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files import png_reader, png_writer
from engine.files.images import decode_image
from engine.findings import counted

LABELS_WITH_INSTANCES = tuple(label for label in LABELS if label.has_instances and not label.ignore_in_eval)
"""The 8 labels whose instances are scored, in the official order."""
CLASS_NUMBERS = frozenset(range(len(LABELS_WITH_INSTANCES)))
"""Numbers of these 8 classes in a network, from 0. As label ids none of them has instances."""
USE_LABEL_IDS = f"write label ids: {', '.join(f'{label.id} {label.name}' for label in LABELS_WITH_INSTANCES)}"
"""The remedy for class numbers, for error messages."""

MAX_LINES = 10_000
"""Most lines of a text file; a scene has at most some hundred instances."""
_SHOWN = 80
"""Characters of a wrong field that are shown."""


class InstanceLine(NamedTuple):
    """One predicted instance: a line of a text file."""

    number: int
    """Number of the line, from 1."""
    mask: str
    """Path of the mask as it is written, relative to the folder of the text file."""
    label_id: int
    """Label id from the label table; those without instances are not scored."""
    confidence: float
    """Confidence, finite; usually from 0 to 1."""


class LineFault(NamedTuple):
    """A line of a text file that cannot be used."""

    number: int
    """Number of the line, from 1."""
    kind: str
    """Kind of the fault: encoding, lines, fields, absolute path, outside, path, label id or confidence."""
    what: str
    """Description of what was found and expected."""


class BoxedMask(NamedTuple):
    """A mask, of which only the bounding box of its non-zero pixels is kept."""

    size: tuple[int, int]
    """Width and height of the image in pixels."""
    top: int
    """First row of the box; 0 if the mask is empty."""
    left: int
    """First column of the box; 0 if the mask is empty."""
    pixels: npt.NDArray[np.bool_]
    """(h, w) whether a pixel of the box belongs to the instance; (0, 0) if the mask is empty."""


def parse(content: bytes, folder: str = "") -> tuple[list[InstanceLine], list[LineFault]]:
    """Read the text file of a scene; faulty lines are left out of the first list.

    Args:
        content: of the file.
        folder: path of its folder within the folder of all predictions, with `/` between names; empty for that folder.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        return [], [LineFault(number, "encoding", f"byte {error.start} is not UTF-8 text, expected UTF-8")]
    texts = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # as Python's universal newlines
    if not texts[-1]:
        texts.pop()
    if len(texts) > MAX_LINES:
        return [], [LineFault(MAX_LINES + 1, "lines", f"got {len(texts):,} lines, expected at most {MAX_LINES:,}")]
    lines: list[InstanceLine] = []
    faults: list[LineFault] = []
    for number, line in enumerate(texts, start=1):
        read = _read(number, line, folder)
        if isinstance(read, InstanceLine):
            lines.append(read)
        else:
            faults += read
    return lines, faults


def path_within(mask: str, folder: str = "") -> str | None:
    """The path of a mask within the folder of all predictions; None if it leads out of that folder.

    Args:
        mask: path as it is written in the text file.
        folder: see `parse`.
    """
    path = posixpath.normpath(posixpath.join(folder, mask))
    return None if path == ".." or path.startswith(("../", "/")) else path


def _read(number: int, line: str, folder: str) -> InstanceLine | list[LineFault]:
    """A line, or all its faults."""
    fields = line.split(" ")
    if len(fields) != 3:
        got = f"{counted(len(fields), 'field')} in {_quoted(line)}" if line.strip() else "an empty line"
        return [LineFault(number, "fields", f"got {got}, expected: path label-id confidence, with single blanks")]
    mask, label, confidence = fields
    faults = [LineFault(number, *fault) for fault in _path_faults(mask, folder)]
    label_id = _label_id(label)
    if label_id is None:
        expected = ", ".join(f"{known.id} {known.name}" for known in LABELS_WITH_INSTANCES)
        faults.append(LineFault(number, "label id", f"got label id {_quoted(label)}, expected one of {expected}"))
    certainty = _number(confidence)
    if certainty is None or not math.isfinite(certainty):
        faults.append(LineFault(number, "confidence", f"got confidence {_quoted(confidence)}, expected a number"))
    if faults or label_id is None or certainty is None:
        return faults
    return InstanceLine(number, mask, label_id, certainty)


def _path_faults(mask: str, folder: str) -> list[tuple[str, str]]:
    """Kind and description of what is wrong with the path of a mask."""
    if not mask or "\0" in mask:
        return [("path", f"got {_quoted(mask)}, expected the path of a mask")]
    if posixpath.isabs(mask):
        return [("absolute path", f"got the absolute path {_quoted(mask)}, expected one relative to the text file")]
    if path_within(mask, folder) is None:
        return [("outside", f"got {_quoted(mask)}, expected a mask within the folder of the predictions")]
    return []


def _label_id(text: str) -> int | None:
    """A label id of the label table as the official scorer reads it; None for all other text."""
    number = _number(text)
    if number is None or not math.isfinite(number):
        return None
    return int(number) if int(number) in BY_ID else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def text_of(lines: Iterable[InstanceLine]) -> str:
    """The text file of these lines, whose numbers are ignored.

    Raises:
        InputError: if a path has a blank or a line break, which the format cannot express.
    """
    written = list(lines)
    if broken := [line.mask for line in written if line.mask.split() != [line.mask]]:
        raise InputError(
            *(f"{mask!r}: a path with blanks, which the format cannot express; rename it" for mask in broken)
        )
    return "".join(f"{line.mask} {line.label_id} {float(line.confidence)!r}\n" for line in written)


def encode_mask(mask: npt.NDArray[np.bool_]) -> bytes:
    """A (H, W) mask as a grey PNG of 8 bits: 255 is the instance."""
    return png_writer.encode(mask.astype(np.uint8) * np.uint8(255))


def read_mask(content: bytes, name: Path = Path("mask")) -> BoxedMask:
    """Decode a mask of any format and mode: the non-zero pixels of `Image.open(name).convert("L")` of Pillow.

    All checksums of a PNG are compared. Most masks are grey PNGs of 8 bits, in which a small area is not zero: that
    area is found in the filtered rows, and only it is decoded, in a third of the time of decoding by Pillow.

    Args:
        content: of the file.
        name: for messages.

    Raises:
        InputError: if it is damaged, not an image, or has more than `png_chunks.MAX_PIXELS`.
    """
    rows = png_reader.grey_rows(content)
    if rows is not None:
        return _from_rows(rows)
    image = decode_image(name, content)
    try:
        grey = np.asarray(image.convert("L"))
    except ValueError as error:
        raise InputError(f"{name}: an image of mode {image.mode}, expected a grey mask; write it as a PNG") from error
    return _boxed(grey != 0, image.size)


def _from_rows(rows: UInt8Array) -> BoxedMask:
    """The mask in filtered rows.

    0 0 0 0 0 0 0     Filters add pixels to the left and above to the stored values. So pixels above and to the
    0 0 7 0 0 1 0     left of the first non-zero values are zero. The last row and the last column that are cut
    0 0 0 2 0 0 0     out have only zeros stored. If all their pixels are zero, so are all pixels beyond;
    0 0 - - - - 0     otherwise values continue there, and everything to the edge of the image is decoded.
    """
    height, width = rows.shape[0], rows.shape[1] - 1
    stored = rows[:, 1:]
    some_rows = np.flatnonzero(stored.max(1))
    if not some_rows.size:
        return _boxed(np.zeros((0, 0), np.bool_), (width, height))
    top, bottom = int(some_rows[0]), min(int(some_rows[-1]) + 2, height)
    some_columns = np.flatnonzero(stored[top:bottom].max(0))
    left, right = int(some_columns[0]), min(int(some_columns[-1]) + 2, width)
    pixels = _decoded(rows, top, bottom, left, right)
    if (bottom < height and pixels[-1].any()) or (right < width and pixels[:, -1].any()):
        pixels = _decoded(rows, top, height, left, width)
    return _boxed(pixels, (width, height), top, left)


def _decoded(rows: UInt8Array, top: int, bottom: int, left: int, right: int) -> npt.NDArray[np.bool_]:
    """Whether the pixels of a part of filtered rows are not zero; pixels above and to the left must be zero."""
    part = np.empty((bottom - top, 1 + right - left), np.uint8)
    part[:, 0] = rows[top:bottom, 0]
    part[:, 1:] = rows[top:bottom, 1 + left : 1 + right]
    content = png_writer.encode_rows(part)
    ids = png_reader.decode_ids(content)
    if ids is None:  # in threads, and without kornia-rs
        ids = np.asarray(decode_image(Path("mask"), content))
    mask: npt.NDArray[np.bool_] = ids != 0
    return mask


def _boxed(pixels: npt.NDArray[np.bool_], size: tuple[int, int], top: int = 0, left: int = 0) -> BoxedMask:
    """Reduce pixels, whose first one is at (top, left), to their bounding box."""
    rows = np.flatnonzero(pixels.any(1)) if pixels.size else np.zeros(0, np.intp)
    if not rows.size:
        return BoxedMask(size, 0, 0, np.zeros((0, 0), np.bool_))
    columns = np.flatnonzero(pixels.any(0))
    inside = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return BoxedMask(size, top + int(rows[0]), left + int(columns[0]), inside)
