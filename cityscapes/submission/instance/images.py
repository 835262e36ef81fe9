"""Check of the text files of some images and of all masks that they name, in a worker process."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats import instance
from cityscapes.formats.instance import InstanceLine, LineFault
from cityscapes.labels import BY_ID
from cityscapes.submission import archive_reader
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.completeness import ExpectedImages
from cityscapes.submission.fault_counts import FaultCounts
from cityscapes.submission.instance.files import TextFile
from cityscapes.submission.instance.kinds import IDS
from engine.errors import InputError
from engine.files import png_chunks

DIGEST = 32
"""Bytes of the SHA-256 of a file."""

_MASK = Path("mask")
_MAX_TEXT_BYTES = 8 << 20
"""Size above which a text file is not read: 10,000 lines of 800 characters."""
_TITLES = {"encoding": "not UTF-8", "lines": "too many masks"}
"""Kinds of faults of `instance.parse` that have another name here."""


class Submission(NamedTuple):
    """The files of a submission, which all workers share."""

    source: Path
    """Folder or zip."""
    entries: Sequence[Entry]
    positions: Mapping[str, int]
    """Path of each file -> its position in `entries`."""
    images: ExpectedImages


@dataclass
class Checked:
    """Result of checking some text files: a few bytes per mask."""

    faults: FaultCounts = field(default_factory=FaultCounts)
    labels: Counter[int] = field(default_factory=Counter)
    """Label id -> number of lines."""
    masks: list[int] = field(default_factory=list)
    """Position in `Submission.entries` of the mask of each usable line, in the order of the lines."""
    digests: bytearray = field(default_factory=bytearray)
    """SHA-256 of each of these masks, one after another; zeros if it cannot be read."""
    texts: list[str] = field(default_factory=list)
    """SHA-256 of each text file in hexadecimal."""

    def merge(self, other: "Checked") -> None:
        """Add the results of later text files."""
        self.faults.merge(other.faults)
        self.labels += other.labels
        self.masks += other.masks
        self.digests += other.digests
        self.texts += other.texts


def check(texts: Sequence[TextFile], submission: Submission) -> Checked:
    """Check some text files and their masks; a mask is read once for each text file that names it."""
    checked = Checked()
    with archive_reader.opened(submission.source) as read:
        for text in texts:
            _check_text(text, submission, read, checked)
    return checked


Read = Callable[[Entry], bytes | InputError]


def _check_text(text: TextFile, submission: Submission, read: Read, checked: Checked) -> None:
    name = text.entry.name
    content = b"" if text.entry.problem else read(text.entry)
    if isinstance(content, InputError):
        checked.faults.add("damaged text", f"{name}: {content}")
        content = b""
    checked.texts.append(hashlib.sha256(content).hexdigest())
    if len(content) > _MAX_TEXT_BYTES:
        checked.faults.add("too many masks", f"{name}: {len(content):,} bytes")
        return
    lines, faults = instance.parse(content, text.folder)
    if faults:
        _add_line_faults(name, content, faults, checked.faults)
    digests: dict[int, bytes] = {}
    for line in lines:
        where = f"{name} line {line.number}"
        checked.labels[line.label_id] += 1
        _check_line(where, line, checked.faults)
        position = _position(where, line, text, submission, checked.faults)
        if position is None:
            continue
        if position not in digests:
            digests[position] = _check_mask(text.stem, submission.entries[position], submission.images, read, checked)
        checked.masks.append(position)
        checked.digests += digests[position]


def _add_line_faults(name: str, content: bytes, faults: Sequence[LineFault], counts: FaultCounts) -> None:
    """Count faulty lines; those with a wrong number of fields by their cause."""
    texts = re.split(r"\r\n|\r|\n", content.decode(errors="replace")) if len(faults) < len(content) else []
    for line in faults:
        kind = _TITLES.get(line.kind, line.kind)
        if kind == "fields":
            kind = cause_of_fields(texts[line.number - 1])
        where = name if kind in _TITLES.values() else f"{name} line {line.number}"
        got = line.what.partition(", expected")[0].removeprefix("got ")
        if line.kind == "fields":
            got = got.partition(" in ")[2]
        counts.add(kind, f"{where}: {got}" if got else where)


def cause_of_fields(line: str) -> str:
    """The kind of fault of a line that does not have three fields."""
    if not line.strip():
        return "empty line"
    if "\t" in line:
        return "tab"
    if "  " in line or line != line.strip():
        return "fields"
    parts = line.rsplit(" ", 2)
    return "blank in a path" if len(parts) == 3 and all(map(_is_number, parts[1:])) else "fields"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_line(where: str, line: InstanceLine, counts: FaultCounts) -> None:
    if line.label_id not in IDS:
        label = BY_ID[line.label_id]
        kind = "void label" if label.ignore_in_eval else "label without instances"
        counts.add(kind, f"{where}: label id {label.id}, {label.name}")
    if not 0 <= line.confidence <= 1:
        counts.add("confidence range", f"{where}: {line.confidence}")


def _position(
    where: str, line: InstanceLine, text: TextFile, submission: Submission, counts: FaultCounts
) -> int | None:
    """Position of the mask of a line among the files; None if there is no such file."""
    place = instance.path_within(line.mask, text.folder)
    position = None if place is None else submission.positions.get(place)
    if position is None:
        kind = "backslash in a path" if "\\" in line.mask else "missing mask"
        counts.add(kind, f"{where}: {line.mask}")
    return position


def _check_mask(stem: str, entry: Entry, images: ExpectedImages, read: Read, checked: Checked) -> bytes:
    """Check a mask and return its SHA-256."""
    if entry.problem:  # a finding of its own
        return bytes(DIGEST)
    content = read(entry)
    if isinstance(content, InputError):
        checked.faults.add("damaged", f"{entry.name}: {content}")
        return bytes(DIGEST)
    problem = mask_problem(content, images.size_of(stem))
    if problem is not None:
        kind, detail = problem
        checked.faults.add(kind, f"{entry.name}: {detail}" if detail else entry.name)
    if not content.startswith(png_chunks.SIGNATURE):
        checked.faults.add("not a PNG", entry.name)
    return hashlib.sha256(content).digest()


def mask_problem(content: bytes, right: tuple[int, int] | None) -> tuple[str, str] | None:
    """Kind and details of what is wrong with the content of a mask; None if nothing is.

    Args:
        content: of the file.
        right: width and height of the image; None if they are not known.
    """
    try:
        head = png_chunks.header(content) if content.startswith(png_chunks.SIGNATURE) else None
        if head is not None and right is not None and (head.width, head.height) != right:
            png_chunks.inspect(content)  # without decoding, because the size may be enormous
            return _wrong_size((head.width, head.height), right)
        mask = instance.read_mask(content, _MASK)
    except png_chunks.DamagedError as error:
        return "damaged", str(error)
    except InputError as error:
        return "damaged", str(error).removeprefix(f"{_MASK}: ").partition("; ")[0]
    if right is not None and mask.size != right:
        return _wrong_size(mask.size, right)
    if mask.pixels.size:
        return None
    grey = head is not None and (head.kind, head.bits) == (png_chunks.GREY, 8)
    return ("empty mask", "") if grey else ("black mask", "")


def _wrong_size(got: tuple[int, int], right: tuple[int, int]) -> tuple[str, str]:
    return "size", f"got {got[0]} x {got[1]}, expected {right[0]} x {right[1]}"
