"""History of a run from its history.jsonl, whose lines may be damaged, unfinished or too many."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
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
"""Largest number of epochs that are kept; more would make a page slow, and a curve no better."""
_MAX_LINE = 1 << 20

Row = dict[str, Any]


def read(path: Path, faults: Faults) -> list[Row]:
    """Rows of the epochs in their order; the values per class of all rows are of equal number.

    An unfinished last line is left out without a fault, because a training may be writing it.

    Args:
        path: of the file, which need not exist.
        faults: receives a damaged file.
    """
    rows: dict[int, Row] = {}
    if not path.exists():
        return []
    with faults.reading(path):
        wrong: list[str] = []
        again: list[str] = []
        for number, line, finished in _lines(path):
            row = _row(line)
            if row is None:
                if finished:
                    wrong.append(f"line {number}")
            elif row["epoch"] in rows:
                again.append(f"line {number}")
            else:
                rows[row["epoch"]] = row
        if wrong:
            what = f"got {counted(len(wrong), 'line')} that are not epochs ({examples(wrong)}), expected a JSON object"
            faults.add(path, f"{what} with the number of the epoch; resume the training, which repairs the file")
        if again:
            what = f"got {counted(len(again), 'epoch')} twice ({examples(again)}), expected each once"
            faults.add(path, f"{what}; the first of each is shown")
        if path.stat().st_size > MAX_BYTES:
            what = f"got {path.stat().st_size:,} bytes, expected at most {MAX_BYTES:,}"
            faults.add(path, f"{what}; only the epochs at its beginning are shown")
    ordered = [rows[epoch] for epoch in sorted(rows)]
    return [plain(row) for row in _thinned(path, _equal(path, ordered, faults), faults)]


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number and content of each line that is not empty, and whether it ends with a line break."""
    with reading(path) as file:
        number, left = 0, MAX_BYTES
        while left > 0 and (line := file.readline(min(_MAX_LINE, left))):
            number, left = number + 1, left - len(line)
            if line.strip():
                yield number, line, line.endswith(b"\n") or len(line) == _MAX_LINE


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
    kept = [
        {name: value for name, value in row.items() if not isinstance(value, list) or len(value) == classes}
        for row in rows
    ]
    differing = [f"epoch {row['epoch']}" for row, new in zip(rows, kept, strict=True) if len(row) > len(new)]
    what = f"got values of another number of classes in {examples(differing)}, expected {classes}"
    faults.add(path, f"{what}; these values are not shown")
    return kept


def _thinned(path: Path, rows: Sequence[Row], faults: Faults) -> list[Row]:
    """At most about `MAX_EPOCHS` rows, with the best and the last one."""
    step = -(-len(rows) // MAX_EPOCHS)
    if step <= 1:
        return list(rows)
    best = max(rows, key=lambda row: number(row.get("val_miou")) or 0)
    kept = {row["epoch"]: row for row in (*rows[::step], best, rows[-1])}
    what = f"got {len(rows):,} epochs, expected at most {MAX_EPOCHS:,}"
    faults.add(path, f"{what}; every {step}th is shown, and the best and the last one")
    return [kept[epoch] for epoch in sorted(kept)]
