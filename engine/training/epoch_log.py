"""The log of a run: history.jsonl, with one line an epoch."""

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
"""Lines that a note names."""


class EpochLog:
    """A file of rows that is only appended to.

    Args:
        path: of the file, which need not be there.
        state: the file of the run's last state, for messages.
    """

    def __init__(self, path: Path, state: Path) -> None:
        self.path, self.state = path, state
        self._last_epoch: int | None = None
        """In the file; None before it was read."""

    def rows(self) -> list[Row]:
        """The epochs so far; a line that a killed process left unfinished is no epoch."""
        return [row for _, row in self._lines() if row is not None]

    def repair(self) -> None:
        """Leave only epochs in the file; if other lines were in it, the file as it was is kept beside it."""
        if not self.path.is_file():
            if os.path.lexists(self.path):  # a folder, a pipe, or a link to nowhere
                print(f"note: {self.path}: is no file; it is kept as {set_aside(self.path).name}", file=sys.stderr)
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
                f"note: {self.path}: damaged, left out what is no epoch (line {shown}); as it was it is kept as "
                f"{kept.name}",
                file=sys.stderr,
            )
        self._write([row for _, row in lines if row is not None])

    def rewind(self, epoch: int) -> None:
        """Forget the epochs after one: they came after the last saved state, so they are trained again."""
        rows = self.rows()
        kept = [row for row in rows if row["epoch"] <= epoch]
        if len(kept) < len(rows):
            self._write(kept)
        self._last_epoch = max((row["epoch"] for row in kept), default=0)

    def append(self, row: Row) -> None:
        """Add an epoch, unless it is there already, and wait until the disk has it.

        Raises:
            InputError: if it cannot be written.
        """
        if self._last_epoch is None:
            self._last_epoch = max((before["epoch"] for before in self.rows()), default=0)
        if row["epoch"] <= self._last_epoch:
            return
        try:
            with self.path.open("ab") as file:
                # After a kill in mid-line, a new line keeps the fragment apart.
                unfinished = file.tell() > 0 and not read_bytes(self.path).endswith(b"\n")
                file.write((b"\n" if unfinished else b"") + _line(row))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot write epoch {row['epoch']} ({error.strerror}); the last state that was saved "
                f"is kept in {self.state}. Make room on that disk, or check it and its permissions, then run the same "
                "command again"
            ) from error
        self._last_epoch = row["epoch"]

    def _lines(self) -> list[tuple[int, Row | None]]:
        """The number of each line that is not empty, and the row in it; None for a line that is none."""
        if not self.path.is_file():
            return []
        lines = enumerate(read_bytes(self.path).split(b"\n"), 1)
        return [(number, _row(line)) for number, line in lines if line.strip()]

    def _write(self, rows: list[Row]) -> None:
        write_text(self.path, b"".join(map(_line, rows)).decode(), durable=True)


def is_row(content: Any) -> bool:
    """Whether something is an epoch: names and plain values, or lists of numbers, with the number of the epoch."""
    return (
        isinstance(content, dict)
        and type(content.get("epoch")) is int
        and 0 < content["epoch"] < 1 << 31
        and all(isinstance(name, str) and _is_value(name, value) for name, value in content.items())
    )


_FIGURES = ("train_", "val_", "learning_rate")
"""How the names of columns begin that are drawn."""


def _is_value(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return all(part is None or isinstance(part, int | float) for part in value)
    return value is None or isinstance(value, int | float) or not name.startswith(_FIGURES)


def _row(line: bytes) -> Row | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, thousands of digits, thousands of levels
        return None
    return content if is_row(content) else None


def _line(row: Row) -> bytes:
    return json.dumps(strict(row), allow_nan=False).encode() + b"\n"
