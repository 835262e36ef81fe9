"""Plain values: content of JSON and YAML files of unknown origin, made safe to compute with and to show."""

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from engine.errors import printable

MAX_JSON_BYTES = 1 << 26
"""Largest JSON file that is read; a result of 3,000 images of 100 instances has a quarter of this."""
_MAX_DEPTH, _MAX_ITEMS, _MAX_CHARACTERS = 8, 1000, 1000
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
_MAX_INTEGER = 1 << 53
"""Integers above this are not exact in JavaScript; nothing that a report shows comes near."""


def plain(value: Any, depth: int = 0) -> Any:
    """A value without NaN and infinity, huge numbers and texts, deep nesting, and the folders of absolute paths."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return finite(value)
    if isinstance(value, Mapping | list | tuple):
        if depth == _MAX_DEPTH:
            return "..."
        if isinstance(value, Mapping):
            return {short(str(key)): plain(of, depth + 1) for key, of in islice(value.items(), _MAX_ITEMS)}
        return [plain(of, depth + 1) for of in value[:_MAX_ITEMS]]
    return short(str(value))


def short(text: str) -> str:
    """A printable text of limited length.

    Of an absolute path it is the name alone, because folders may name a user or a machine.
    """
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
        text = PureWindowsPath(text).name or text[:1]
    return printable(text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}...")


def finite(value: float) -> float | None:
    """A number; None if it is NaN, infinite or too large."""
    if isinstance(value, int):
        return value if abs(value) <= _MAX_INTEGER else None
    return value if math.isfinite(value) else None


def mapping(content: Any) -> dict[str, Any]:
    """Content that must be names and values.

    Raises:
        TypeError: if it is anything else.
    """
    if not isinstance(content, dict):
        raise TypeError(f"got {kind_of(content)}, expected an object")
    return content


def kind_of(content: Any) -> str:
    """The kind of content in the words of JSON, for messages."""
    return next((name for kind, name in _KINDS.items() if isinstance(content, kind)), "null")


def text(value: Any) -> str:
    """A text; empty for any other value."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A finite number; None for any other value."""
    return finite(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count(value: Any) -> int:
    """A number of things; 0 for any other value."""
    return value if type(value) is int and 0 <= value <= _MAX_INTEGER else 0
