"""Agreement of drawn and official masks, from the agreement.csv of generate_gt.py."""

import csv
import io
from pathlib import Path
from typing import Literal

from engine.errors import InputError
from engine.files.content import read_text
from report.records import Agreement, AgreementRow

_MAX_BYTES = 1 << 24
_KINDS: tuple[Literal["all", "label", "image"], ...] = ("all", "label", "image")
_COUNTS = ("pixels", "differing", "boundary", "boundary_differing")
_MAX_PIXELS = 1 << 53


def read(path: Path) -> Agreement:
    """The table in a file.

    Raises:
        InputError: if it cannot be read, or is not such a table.
    """
    try:
        rows = [_row(line) for line in csv.DictReader(io.StringIO(read_text(path, _MAX_BYTES)), strict=True)]
    except (ValueError, LookupError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path}: not a table of the agreement of masks ({str(error)[:100]}); write it again: python generate_gt.py"
        ) from error
    if [row.kind for row in rows[:1]] != ["all"]:
        raise InputError(f"{path}: expected a first row of all pixels; write it again: python generate_gt.py")
    return Agreement(path, tuple(sorted(rows, key=lambda row: _KINDS.index(row.kind))))


def _row(line: dict[str, str]) -> AgreementRow:
    kind = next((kind for kind in _KINDS if kind == line["of"]), None)
    if kind is None:
        raise ValueError(f"expected a row of {', '.join(_KINDS)}, got {line['of'][:20]}")
    pixels, differing, boundary, boundary_differing = (int(line[name]) for name in _COUNTS)
    if not (0 <= boundary_differing <= differing <= pixels < _MAX_PIXELS and boundary_differing <= boundary <= pixels):
        raise ValueError(f"the counts of {line['name'][:60]} contradict each other")
    return AgreementRow(kind, line["name"], pixels, differing, boundary, boundary_differing)
