"""Custom label tables: CSV or YAML with name, id, trainId and color."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cityscapes.ground_truth.polygons import INSTANCES
from cityscapes.labels import VOID, Label, LabelTable
from engine.errors import InputError
from engine.files.content import read_text
from engine.files.documents import read_yaml
from engine.findings import grouped

_REQUIRED = ("name", "id", "trainId", "color")
_OPTIONAL = ("hasInstances",)
_EXAMPLE = "for example: name,id,trainId,color / road,7,0,#804080"
_LAST_WITH_INSTANCES = 65535 // INSTANCES - 1
"""Largest label id whose instance ids fit into 16 bits."""
_SHOWN = 60
"""Maximum number of characters of a value in a message."""


def read(path: Path) -> LabelTable:
    """Read a label table.

    Ids are 0 to 255, or negative for labels that are never drawn. Train ids are 0 to 254, and 255 or -1 for void.
    Colours are #rrggbb or three numbers. The column hasInstances (0 or 1) is optional.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    labels, faults = [], []
    for number, row in enumerate(_rows(path), start=1):
        try:
            labels.append(_label(row))
        except InputError as error:
            faults += [f"{path}: row {number}: {message}" for message in error.messages]
    faults += [f"{path}: {message}" for message in _duplicates(labels)]
    if not labels and not faults:
        faults = [f"{path}: no label in it; expected rows, {_EXAMPLE}"]
    if faults:
        raise InputError(*grouped(faults))
    return LabelTable(labels)


def _rows(path: Path) -> list[Any]:
    if path.suffix.lower() not in (".csv", ".yaml", ".yml"):
        raise InputError(f"{path}: expected a label table as .csv, .yaml or .yml, got {path.suffix or 'no suffix'}")
    if path.suffix.lower() != ".csv":
        rows = read_yaml(path)
        if not isinstance(rows, list):
            raise InputError(f"{path}: expected a list of labels, each with {', '.join(_REQUIRED)}")
        return rows
    reader = csv.DictReader(io.StringIO(read_text(path)), skipinitialspace=True)
    try:
        columns = reader.fieldnames or ()
        if twice := [column for column, number in Counter(columns).items() if number > 1]:
            raise InputError(f"{path}: the column {_shown(twice[0])} appears twice; keep one")
        return list(reader)
    except csv.Error as error:
        raise InputError(f"{path}: broken table ({' '.join(str(error).split())}); correct this line") from error


def _label(row: Any) -> Label:
    """Check one row."""
    if not isinstance(row, dict):
        raise InputError(f"expected {', '.join(_REQUIRED)}, got {_shown(row)}")
    if lacking := [key for key in _REQUIRED if row.get(key) in (None, "")]:
        raise InputError(f"lacks {', '.join(lacking)}; expected {', '.join(_REQUIRED)}, {_EXAMPLE}")
    if unknown := sorted(str(key) for key in row.keys() - {*_REQUIRED, *_OPTIONAL}):
        raise InputError(
            f"unknown column {_shown(', '.join(unknown))}; the columns are {', '.join(_REQUIRED + _OPTIONAL)}"
        )
    label_id = _integer(row, "id", -(1 << 15), 255)
    train_id = _integer(row, "trainId", -1, VOID)
    instances = bool(_integer(row, "hasInstances", 0, 1)) if row.get("hasInstances") not in (None, "") else False
    if instances and label_id > _LAST_WITH_INSTANCES:
        raise InputError(f"id {label_id} with instances; ids of labels with instances go up to {_LAST_WITH_INSTANCES}")
    color = _color(row["color"])
    if not isinstance(name := row["name"], str):
        raise InputError(f"name is {_shown(name)}, expected text; put it in quotes")
    return Label(name, label_id, train_id % 256, "", instances, train_id % 256 == VOID, color)


def _integer(row: dict[str, Any], key: str, least: int, most: int) -> int:
    try:
        value = int(str(row[key]) if not isinstance(row[key], bool) else row[key])
    except ValueError:
        value = most + 1
    if not least <= value <= most:
        raise InputError(f"{key} is {_shown(row[key])}, expected a whole number from {least} to {most}")
    return value


def _color(value: Any) -> tuple[int, int, int]:
    words = (
        [str(word) for word in value] if isinstance(value, list) else re.split(r"[\s,;]+", str(value).strip("()[] "))
    )
    if len(words) == 1 and re.fullmatch(r"#?[0-9a-fA-F]{6}", words[0]):
        code = int(words[0].lstrip("#"), 16)
        return code >> 16, code >> 8 & 255, code & 255
    if len(words) == 3 and all(re.fullmatch("[0-9]{1,3}", word) and int(word) <= 255 for word in words):
        return int(words[0]), int(words[1]), int(words[2])
    raise InputError(f"color is {_shown(value)}, expected #rrggbb or three numbers from 0 to 255")


def _shown(value: Any) -> str:
    """A value as it is in the file, truncated if it is too long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _duplicates(labels: Sequence[Label]) -> list[str]:
    names = Counter(label.name for label in labels)
    ids = Counter(label.id for label in labels if label.id >= 0)
    return [f"the name {_shown(name)} is given {count} times" for name, count in names.items() if count > 1] + [
        f"the id {label_id} is given {count} times" for label_id, count in ids.items() if count > 1
    ]
