"""Results of the scorers of all benchmarks, each recognised by its keys."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

from engine.errors import InputError
from report.sources.scores.figures import Reading

_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "pixel": frozenset({"classScores", "averageScoreClasses"}),
        "instance": frozenset({"averages", "instLabels"}),
        "panoptic": frozenset({"per_class", "All"}),
        "road": frozenset({"sets", "space"}),
        "classes": frozenset({"miou", "classes"}),
    }
)
"""Module that reads the results of a scorer -> keys that only these have."""


class _Reader(Protocol):
    """Module that reads the results of a scorer."""

    def read(self, path: Path, content: dict[str, Any]) -> Reading: ...


def kind_of(content: Any) -> str | None:
    """Name of the module that reads the content of a JSON file; None if it is not the result of a scorer."""
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("image"), dict) and "sets" in content["image"]:
        return "road"  # of test_fcn.py, which scores in several spaces
    return next((kind for kind, keys in _KEYS.items() if keys <= content.keys()), None)


def read(path: Path, content: Any) -> Reading:
    """The scores in the content of a result file.

    Raises:
        InputError: if it is not the result of a scorer, or contradicts itself.
        AttributeError, LookupError, TypeError, ValueError: if its content is of another form.
    """
    kind = kind_of(content)
    if kind is None:
        raise InputError(f"{path}: expected the result of a scorer of this project; score the predictions again")
    reader = cast("_Reader", importlib.import_module(f"report.sources.scores.{kind}"))
    return reader.read(path, content)
