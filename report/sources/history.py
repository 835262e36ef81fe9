"""History of a run from its history.jsonl, whose lines may be damaged, unfinished or too many."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.files.content import reading
from engine.findings import counted, examples
from engine.training.epoch_log import is_row
from report.sources.faults import Faults
from report.sources.plain import number, plain

MAX_BYTES = 1 << 26
"""Bytes of a history that are read; 30,000 epochs of 19 classes have as many."""
MAX_EPOCHS = 2000
"""Number of epochs above which only some are kept; more would make a page slow, and a curve no better."""
_MAX_LINE = 1 << 20

Row = dict[str, Any]


@dataclass
class _Kept:
    """Rows that are kept of a history while it is read: all, or every n-th, and the best and the last one."""

    rows: dict[int, Row] = field(default_factory=dict)
    """Epoch -> row of the epochs that are multiples of `step`."""
    step: int = 1
    best: Row | None = None
    last: Row | None = None
    epochs: int = 0
    """Number of epochs that were read."""

    def add(self, row: Row) -> bool:
        """Add a row, unless it is not newer than the last one; return whether it is."""
        epoch = row["epoch"]
        if self.last is not None and epoch <= self.last["epoch"]:
            return False
        self.epochs, self.last = self.epochs + 1, row
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


def read(path: Path, faults: Faults) -> list[Row]:
    """Rows of the epochs in their order; the values per class of all rows are of equal number.

    An unfinished last line is left out without a fault, because a training may be writing it.

    Args:
        path: of the file, which need not exist.
        faults: receives a damaged file.
    """
    if not os.path.lexists(path):
        return []
    kept = _Kept()
    with faults.reading(path):
        wrong: list[str] = []
        again: list[str] = []
        for place, line, is_finished in _lines(path):
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
        if kept.step > 1:
            what = f"got {kept.epochs:,} epochs, expected at most {MAX_EPOCHS:,}"
            faults.add(path, f"{what}; every {kept.step}th is shown, and the best and the last one")
        if path.stat().st_size > MAX_BYTES:
            what = f"got {path.stat().st_size:,} bytes, expected at most {MAX_BYTES:,}"
            faults.add(path, f"{what}; only the epochs at its beginning are shown")
    return [plain(row) for row in _equal(path, kept.listed(), faults)]


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number and content of each line that is not empty, and whether it is complete."""
    with reading(path) as file:
        place, left = 0, MAX_BYTES
        while left > 0 and (line := file.readline(min(_MAX_LINE, left))):
            place, left = place + 1, left - len(line)
            if line.strip():
                yield place, line, line.endswith(b"\n") or len(line) == _MAX_LINE


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
