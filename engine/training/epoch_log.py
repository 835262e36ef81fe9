"""Epoch log of a run: history.jsonl, with one line per epoch."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files.atomic import set_aside, strict, write_text
from engine.files.content import read_bytes
from engine.training.history import Row

_SHOWN = 4
"""Largest number of lines that a note lists."""


class EpochLog:
    """Append-only file of history rows, one JSON object per line.

    Args:
        path: path of the file, which need not exist.
        state: file of the run's last state, for messages.
    """

    def __init__(self, path: Path, state: Path) -> None:
        self.path, self.state = path, state
        self._last_epoch: int | None = None
        """Last epoch in the file; None before the file was read."""

    def rows(self) -> list[Row]:
        """Rows of all epochs so far; lines that are not valid rows are left out."""
        return [row for _, row in self._lines() if row is not None]

    def repair(self) -> None:
        """Remove lines that are not valid rows; the original file is kept under another name, with a note on stderr.

        An unfinished last line, left by a killed process, is removed without a note.
        """
        if not self.path.is_file():
            if os.path.lexists(self.path):  # a folder, a pipe, or a broken link
                print(f"note: {self.path}: is not a file; it is kept as {set_aside(self.path).name}", file=sys.stderr)
            return
        lines = self._lines()
        wrong = [str(number) for number, row in lines if row is None]
        if not wrong:
            return
        unfinished = wrong == [str(len(lines))] and not read_bytes(self.path).endswith(b"\n")
        if not unfinished:
            kept = set_aside(self.path)
            shown = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
            print(
                f"note: {self.path}: damaged, lines that are not epochs were removed (line {shown}); the original "
                f"file is kept as {kept.name}",
                file=sys.stderr,
            )
        self._write([row for _, row in lines if row is not None])

    def rewind(self, epoch: int) -> None:
        """Remove the epochs after `epoch`, which are trained again because they are newer than the last saved state."""
        rows = self.rows()
        kept = [row for row in rows if row["epoch"] <= epoch]
        if len(kept) < len(rows):
            self._write(kept)
        self._last_epoch = max((row["epoch"] for row in kept), default=0)

    def append(self, row: Row) -> None:
        """Append an epoch and wait until it is on the disk; an epoch that is already in the file is ignored.

        Raises:
            InputError: if the file cannot be written.
        """
        if self._last_epoch is None:
            self._last_epoch = max((before["epoch"] for before in self.rows()), default=0)
        if row["epoch"] <= self._last_epoch:
            return
        try:
            with self.path.open("ab") as file:
                # A process that is killed in a write leaves a fragment; a line break separates it from the new row.
                unfinished = file.tell() > 0 and not read_bytes(self.path).endswith(b"\n")
                file.write((b"\n" if unfinished else b"") + _line(row))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot write epoch {row['epoch']} ({error.strerror}); the last saved state is in "
                f"{self.state}. Free space on that disk, or check the disk and its permissions, then run the same "
                "command again"
            ) from error
        self._last_epoch = row["epoch"]

    def _lines(self) -> list[tuple[int, Row | None]]:
        """Line number and row of each non-empty line; the row is None if the line is not a valid row."""
        if not self.path.is_file():
            return []
        lines = enumerate(read_bytes(self.path).split(b"\n"), 1)
        return [(number, _row(line)) for number, line in lines if line.strip()]

    def _write(self, rows: list[Row]) -> None:
        write_text(self.path, b"".join(map(_line, rows)).decode(), durable=True)


def is_row(content: Any) -> bool:
    """Whether content is a history row: names, plain values or lists of numbers, and the number of the epoch."""
    return (
        isinstance(content, dict)
        and type(content.get("epoch")) is int
        and 0 < content["epoch"] < 1 << 31
        and all(isinstance(name, str) and _is_value(name, value) for name, value in content.items())
    )


_FIGURES = ("train_", "val_", "learning_rate")
"""Prefixes of the columns that are plotted, whose values must be numbers."""


def _is_value(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return all(part is None or isinstance(part, int | float) for part in value)
    return value is None or isinstance(value, int | float) or not name.startswith(_FIGURES)


def _row(line: bytes) -> Row | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, thousands of digits, or thousands of levels
        return None
    return content if is_row(content) else None


def _line(row: Row) -> bytes:
    return json.dumps(strict(row), allow_nan=False).encode() + b"\n"
