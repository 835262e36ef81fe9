"""File names for runs and results of any name."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

_LONGEST = 60
"""Largest number of characters of a file name that are from the name of a run."""


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Name -> part of a file name that every file system accepts, and that no other of these names has.

    Letters without accents, digits, dots, hyphens and underscores stay; everything else becomes a hyphen. A hash of
    the name follows if it was cut, if nothing of it remains, or if another name is equal apart from upper case.
    """
    cleaned = {name: re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") for name in names}
    number = Counter(part.casefold() for part in cleaned.values())
    return {
        name: part if part and len(part) <= _LONGEST and number[part.casefold()] == 1 else _hashed(name, part)
        for name, part in cleaned.items()
    }


def _hashed(name: str, part: str) -> str:
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{part[:_LONGEST]}-{digest}".lstrip("-")
