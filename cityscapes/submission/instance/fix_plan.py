"""Plan for fixing each text file of the instance task: its image, and the mask, label and confidence of each line."""

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cityscapes.formats.instance import MAX_LINES, path_within
from cityscapes.labels import BY_ID
from cityscapes.layout import stem_in
from cityscapes.submission import archive_reader
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.fault_counts import FaultCounts
from engine.errors import InputError


class PlannedLine(NamedTuple):
    """One predicted instance."""

    position: int
    """Position of its mask among the files."""
    label_id: int
    """Id as it was written, which may be a train id."""
    confidence: float


class TextPlan(NamedTuple):
    """Plan for one text file."""

    stem: str
    """Stem of the image that it belongs to."""
    entry: Entry
    lines: list[PlannedLine]


class Plans(NamedTuple):
    """Plans for all text files."""

    texts: list[TextPlan]
    refused: FaultCounts
    """Reasons why files cannot be fixed."""
    rewritten: int
    """Number of text files that have lines of another form than the server reads."""


class _Lookup:
    """Search for masks by the paths in text files."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._by_path = {_slashes(entry.name): position for position, entry in enumerate(entries)}
        names = Counter(entry.basename for entry in entries)
        self._by_name = {
            entry.basename: position for position, entry in enumerate(entries) if names[entry.basename] == 1
        }

    def position(self, mask: str, folder: str) -> int | None:
        """The mask at a path, otherwise the only file of its name; None if there is none."""
        path = _slashes(mask)
        place = path_within(path, folder)
        found = None if place is None else self._by_path.get(place)
        return self._by_name.get(path.rpartition("/")[2]) if found is None else found


def plan_texts(path: Path, entries: Sequence[Entry]) -> Plans:
    """Read the text files of a folder or zip, and find the masks of their lines.

    Args:
        path: the folder or zip.
        entries: its files that may be read.
    """
    refused = FaultCounts()
    lookup = _Lookup(entries)
    plans = []
    rewritten = 0
    texts = [entry for entry in entries if entry.name.lower().endswith(".txt")]
    for entry, content in zip(texts, archive_reader.read(path, texts), strict=True):
        stem = stem_in(entry.name)
        if not stem:
            refused.add("name", entry.name)
            continue
        if isinstance(content, InputError):
            refused.add("damaged text", f"{entry.name}: {content}")
            continue
        folder = _slashes(entry.name).rpartition("/")[0]
        lines, changed = _lines(entry.name, content, refused, functools.partial(lookup.position, folder=folder))
        rewritten += changed
        plans.append(TextPlan(stem, entry, lines))
    return Plans(plans, refused, rewritten)


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _lines(
    name: str, content: bytes, refused: FaultCounts, position: Callable[[str], int | None]
) -> tuple[list[PlannedLine], bool]:
    """The lines of a text file, and whether any has another form than the server reads."""
    if content.count(b"\n") > MAX_LINES:
        refused.add("too many masks", name)
        return [], False
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        refused.add("not UTF-8", name)
        return [], False
    lines = []
    changed = content.startswith(b"\xef\xbb\xbf")
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.rstrip("\r\n")), start=1):
        fields = line.strip().rsplit(maxsplit=2)
        changed |= line.split(" ") != fields or "\\" in line
        if not fields:
            continue
        where = f"{name} line {number}"
        numbers = _numbers(fields[1:]) if len(fields) == 3 else None
        mask = position(fields[0])
        if numbers is None:
            refused.add("fields", f"{where}: {line!r}")
        elif mask is None:
            refused.add("missing mask", f"{where}: {fields[0]}")
        else:
            lines.append(PlannedLine(mask, *numbers))
    return lines, changed


def _numbers(texts: Sequence[str]) -> tuple[int, float] | None:
    """A label id of the label table and a finite confidence; None for all other texts."""
    try:
        label, confidence = map(float, texts)
    except ValueError:
        return None
    if not math.isfinite(label) or not math.isfinite(confidence) or int(label) not in BY_ID:
        return None
    return int(label), confidence
