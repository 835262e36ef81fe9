"""History of a run from its history.jsonl, whose lines may be damaged, unfinished or too many."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine.files.content import reading
from engine.findings import counted, examples
from engine.training.epoch_log import is_row
from report.sources.faults import Faults
from report.sources.plain import number, plain

MAX_BYTES = 1 << 26
"""Bytes of a history that are read; 30,000 epochs of 19 classes have as many."""
MAX_EPOCHS = 2000
"""Number of epochs above which only some are kept; more would make a page slow, and a curve no better."""
_MAX_PARSED = 20_000
"""Number of lines above which only some are parsed, which takes a second; no training has so many epochs."""
_MAX_LINE = 1 << 20

Row = dict[str, Any]


class History(NamedTuple):
    """Epochs of a run."""

    rows: tuple[Row, ...] = ()
    """Rows of epochs in their order; the values per class of all rows are of equal number."""
    is_whole: bool = True
    """Whether these are all epochs, and not some of very many."""


@dataclass
class _Kept:
    """Rows that are kept of a history while it is read: all, or every n-th, and the best and the last one."""

    rows: dict[int, Row] = field(default_factory=dict)
    """Epoch -> row of the epochs that are multiples of `step`."""
    step: int = 1
    best: Row | None = None
    last: Row | None = None

    def add(self, row: Row) -> bool:
        """Add a row, unless it is not newer than the last one; return whether it is."""
        epoch = row["epoch"]
        if self.last is not None and epoch <= self.last["epoch"]:
            return False
        self.last = row
        if self.best is None or _miou(row) > _miou(self.best):
            self.best = row
        if epoch % self.step == 0:
            self.rows[epoch] = row
        if len(self.rows) > MAX_EPOCHS:
            self.step *= 2
            self.rows = {epoch: kept for epoch, kept in self.rows.items() if epoch % self.step == 0}
        return True

    def listed(self) -> list[Row]:
        """The rows in the order of their epochs."""
        ends = {row["epoch"]: row for row in (self.best, self.last) if row is not None}
        return [row for _, row in sorted((self.rows | ends).items())]


def _miou(row: Row) -> float:
    return number(row.get("val_miou")) or 0


def read(path: Path, faults: Faults) -> History:
    """The history in a file, of very many epochs some, with the best and the last one.

    An unfinished last line is left out without a fault, because a training may be writing it.

    Args:
        path: of the file, which need not exist.
        faults: receives a damaged file.
    """
    if not os.path.lexists(path):
        return History()
    kept, stride = _Kept(), 1
    with faults.reading(path):
        wrong: list[str] = []
        again: list[str] = []
        stride = _stride(path)
        for place, line, is_finished in _lines(path, stride):
            row = _row(line)
            if row is None and is_finished:
                wrong.append(f"line {place}")
            elif row is not None and not kept.add(row):
                again.append(f"line {place}")
        if wrong:
            what = f"got {counted(len(wrong), 'line')} that are not epochs ({examples(wrong)}), expected a JSON object"
            faults.add(path, f"{what} with the number of the epoch; resume the training, which repairs the file")
        if again:
            what = f"got {counted(len(again), 'epoch')} again or too late ({examples(again)}), expected rising numbers"
            faults.add(path, f"{what}; the first of each is shown")
        if path.stat().st_size > MAX_BYTES:
            what = f"got {path.stat().st_size:,} bytes, expected at most {MAX_BYTES:,}"
            faults.add(path, f"{what}; only the epochs at its beginning are shown")
    rows = tuple(plain(row) for row in _equal(path, kept.listed(), faults))
    return History(rows, is_whole=kept.step == stride == 1)


def _stride(path: Path) -> int:
    """The number n, so that every n-th line is parsed, from the length of the first line."""
    with reading(path) as file:
        length = len(file.readline(_MAX_LINE))
    return -(-min(path.stat().st_size, MAX_BYTES) // (_MAX_PARSED * max(1, length))) or 1


def _lines(path: Path, stride: int) -> Iterator[tuple[int, bytes, bool]]:
    """Number and content of every n-th line that is not empty and of the last one, and whether it is complete."""
    with reading(path) as file:
        place, left, line = 0, MAX_BYTES, b""
        while left > 0 and (read := file.readline(min(_MAX_LINE, left))):
            place, left, line = place + 1, left - len(read), read
            if place % stride == 0 and line.strip():
                yield place, line, _is_finished(line)
        if place % stride and line.strip():
            yield place, line, _is_finished(line)


def _is_finished(line: bytes) -> bool:
    return line.endswith(b"\n") or len(line) == _MAX_LINE


def _row(line: bytes) -> Row | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, thousands of digits, or thousands of levels
        return None
    return content if is_row(content) else None


def _equal(path: Path, rows: Sequence[Row], faults: Faults) -> list[Row]:
    """The rows without lists whose length differs from most of them."""
    lengths = Counter(len(value) for row in rows for value in row.values() if isinstance(value, list))
    if len(lengths) < 2:
        return list(rows)
    classes = lengths.most_common(1)[0][0]
    equal = [
        {name: value for name, value in row.items() if not isinstance(value, list) or len(value) == classes}
        for row in rows
    ]
    differing = [f"epoch {row['epoch']}" for row, new in zip(rows, equal, strict=True) if len(row) > len(new)]
    what = f"got values of another number of classes in {examples(differing)}, expected {classes}"
    faults.add(path, f"{what}; these values are not shown")
    return equal
