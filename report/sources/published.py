"""Published results of the field, each with its source and protocol."""

from functools import cache
from pathlib import Path
from typing import Any

from engine.files.documents import read_yaml
from report.records import Published

_FILE = Path(__file__).with_name("published.yaml")


@cache
def read() -> tuple[Published, ...]:
    """The results in published.yaml, which is part of this package."""
    return tuple(_entry(entry) for entry in read_yaml(_FILE))


def _entry(entry: dict[str, Any]) -> Published:
    """One result; its scores are percentages in the file, as papers have them."""
    averages, classes = ({name: of / 100 for name, of in entry.get(key, {}).items()} for key in ("averages", "classes"))
    return Published(**{**entry, "score": entry["score"] / 100, "averages": averages, "classes": classes})
