"""Values of records as the page holds them: rounded numbers, and texts without folders of this machine."""

import math
from collections.abc import Iterable, Mapping
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

_DIGITS = 8
"""Significant digits of a number in the page: so many that rounding again for a table gives what the file gives."""
_LONGEST = 300
"""Largest number of characters of a value that the page shows."""


def number(value: object) -> float | None:
    """A number with eight significant digits; None for everything that is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(f"{float(value):.{_DIGITS}g}")
    except OverflowError:  # an integer of hundreds of digits
        return None
    return found if math.isfinite(found) else None


def numbers(values: Iterable[object]) -> list[float | None]:
    """Numbers with eight significant digits, see `number`."""
    return [number(value) for value in values]


def text(value: object) -> str:
    """A value as people write it: `-` for None, yes and no, and absolute paths by their last part alone."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _cut(", ".join(f"{name} {text(of)}" for name, of in value.items()))
    if isinstance(value, list | tuple):
        return _cut(", ".join(map(text, value))) or "-"
    return _cut(_without_folders(value) if isinstance(value, str | PurePath) else str(value))


def entries(content: object, names: Mapping[str, str]) -> list[tuple[str, Any]]:
    """(label, value) of the keys that JSON content has; `names` gives the label of each key."""
    if not isinstance(content, Mapping):
        return []
    return [(label, content[key]) for key, label in names.items() if content.get(key) is not None]


def _without_folders(value: str | PurePath) -> str:
    """A text, which is reduced to its last part if it is an absolute path."""
    shown = str(value)
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(shown)
        if path.is_absolute() and path.name:
            return f".../{path.name}"
    return shown


def _cut(shown: str) -> str:
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
