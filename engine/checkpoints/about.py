"""Metadata and format version of checkpoints."""

import math
import reprlib
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from engine.errors import InputError
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD

Record = TypeVar("Record")

FORMAT_VERSION = 1
"""Format version of written files; it is raised when older programs cannot read the files.

Files without a version have version 1. A new field needs no new version: it has a default for files without it, and
older programs ignore it.
"""

_REMEDY = "the file is damaged, or another program wrote it: save the state dict alone with torch.save"
_SHOWN = 4
"""Largest number of names in one note."""


def shown(value: Any) -> str:
    """A short text for a value of any type and size."""
    try:
        text = reprlib.repr(value)
    except Exception:  # for example for an integer of thousands of digits, or a tensor without values
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class About:
    """Metadata of a checkpoint: the network and benchmark of its weights, and their training."""

    network: str
    num_classes: int
    benchmark: str | None
    """Name of the benchmark; None if it is not known."""
    mean: tuple[float, ...]
    """Mean of the images that the network expects, by channel (RGB), for values from 0 to 1."""
    std: tuple[float, ...]
    """Standard deviation of these images, by channel."""
    epoch: int
    """Number of epochs of training."""
    miou: float | None
    """Mean IoU on the validation split, 0 to 1; None before the first evaluation."""

    @classmethod
    def untrained(
        cls,
        network: str,
        num_classes: int,
        benchmark: str | None,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> Self:
        """Metadata of untrained weights, by default for images that are normalised as for ImageNet."""
        return cls(network, num_classes, benchmark, mean, std, epoch=0, miou=None)


def read_about(path: Path, content: Any, version: int) -> About:
    """The metadata in the content of a checkpoint.

    Raises:
        InputError: with each field that is missing or has an impossible value.
    """
    if not isinstance(content, dict):
        raise InputError(f"{path}: its metadata are {shown(content)}, expected names and values; {_REMEDY}")
    about = fill(About, content, path, version)
    faults = [
        f"{path}: its {name} is {shown(getattr(about, name))}, expected {expected}; {_REMEDY}"
        for name, (is_right, expected) in _EXPECTED.items()
        if not is_right(getattr(about, name))
    ]
    if faults:
        raise InputError(*faults)
    return replace(about, mean=tuple(about.mean), std=tuple(about.std))


def _name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high


def _per_channel(value: Any, low: float, high: float) -> bool:
    return type(value) in (list, tuple) and len(value) == 3 and all(_number(part, low, high) for part in value)


_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "network": (_name, "the name of a network"),
    "num_classes": (lambda value: type(value) is int and 1 <= value <= 256, "an integer from 1 to 256"),
    "benchmark": (lambda value: value is None or _name(value), "the name of a benchmark, or None"),
    "mean": (partial(_per_channel, low=-1000, high=1000), "three numbers"),
    "std": (partial(_per_channel, low=1e-4, high=1000), "three numbers above 0"),
    "epoch": (lambda value: type(value) is int and 0 <= value < 1 << 31, "a number of epochs"),
    "miou": (
        lambda value: value is None or _number(value, 0, 1) or (isinstance(value, float) and math.isnan(value)),
        "a number from 0 to 1, or None",
    ),
}
"""Field of `About` -> whether a value is possible, and the expectation for messages."""


def read_version(path: Path, content: dict[str, Any]) -> int:
    """The format version of a file, with a note on stderr if it is newer than this program."""
    version = content.get("format_version", 1)
    if type(version) is not int or not 1 <= version < 1 << 31:
        raise InputError(
            f"{path}: its format_version is {shown(version)}, expected an integer above 0; the file is damaged"
        )
    if version > FORMAT_VERSION:
        print(
            f"note: {path}: of format version {version}, but this version of the program knows up to {FORMAT_VERSION}; "
            "what it knows is used",
            file=sys.stderr,
        )
    return version


def fill(record: type[Record], content: dict[str, Any], path: Path, version: int, *, remedy: str = _REMEDY) -> Record:
    """An instance of a dataclass from the content of a file that any version of this program wrote.

    Missing fields get their defaults. Unknown fields are ignored, and named in a note on stderr.

    Args:
        record: the dataclass.
        content: field -> value.
        path: of the file, for messages.
        version: format version of the file.
        remedy: cause and remedy for messages, if a field is missing from a file of this version.

    Raises:
        InputError: if a field without a default is missing.
    """
    known = {field.name: field for field in fields(cast("Any", record))}
    missing = [name for name, field in known.items() if name not in content and field.default is MISSING]
    if missing:
        remedy = (
            f"it is of format version {version}, which a newer version of this program wrote (this one knows up to "
            f"{FORMAT_VERSION}): use that one"
            if version > FORMAT_VERSION
            else remedy
        )
        raise InputError(f"{path}: lacks {', '.join(missing)}; {remedy}")
    if unknown := [name for name in content if name not in known]:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        listed = ", ".join(shown(name).strip("'") for name in unknown[:_SHOWN]) + more
        print(f"note: {path}: ignored {listed}, which this version does not know", file=sys.stderr)
    return record(**{name: value for name, value in content.items() if name in known})
