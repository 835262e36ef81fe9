"""Own label tables: CSV or YAML with name, id, trainId and color."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cityscapes.ground_truth.polygons import INSTANCES
from cityscapes.labels import VOID, Label, LabelTable
from engine.errors import InputError

_REQUIRED = ("name", "id", "trainId", "color")
_OPTIONAL = ("hasInstances",)
_EXAMPLE = "as in: name,id,trainId,color / road,7,0,#804080"
_LAST_WITH_INSTANCES = 65535 // INSTANCES - 1
"""Beyond it, instance ids do not fit into 16 bits."""


def read(path: Path) -> LabelTable:
    """Read a label table; the column hasInstances (0 or 1) may be left out.

    Ids are 0 to 255, or negative for what is never drawn; train ids are 0 to 254, and 255 or -1 for void;
    colours are #rrggbb or three numbers.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    labels, faults = [], []
    for number, row in enumerate(_rows(path), start=1):
        try:
            labels.append(_label(row))
        except InputError as error:
            faults += [f"{path}: row {number}: {message}" for message in error.messages]
    faults += [f"{path}: {message}" for message in _doubles(labels)]
    if not labels and not faults:
        faults = [f"{path}: no label in it; expected rows {_EXAMPLE}"]
    if faults:
        raise InputError(*faults)
    return LabelTable(labels)


def _rows(path: Path) -> list[Any]:
    if path.suffix.lower() not in (".csv", ".yaml", ".yml"):
        raise InputError(f"{path}: expected a label table as .csv, .yaml or .yml, got {path.suffix or 'no suffix'}")
    try:
        content = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return list(csv.DictReader(io.StringIO(content), skipinitialspace=True))
        rows = yaml.safe_load(content)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give the label table as --labels") from error
    except (csv.Error, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: broken table ({' '.join(str(error).split())})") from error
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list of labels, each with {', '.join(_REQUIRED)}")
    return rows


def _label(row: Any) -> Label:
    """Check one row."""
    if not isinstance(row, dict):
        raise InputError(f"expected {', '.join(_REQUIRED)}, got {row!r}")
    if lacking := [key for key in _REQUIRED if row.get(key) in (None, "")]:
        raise InputError(f"lacks {', '.join(lacking)}; expected {', '.join(_REQUIRED)}, {_EXAMPLE}")
    if unknown := sorted(str(key) for key in row.keys() - {*_REQUIRED, *_OPTIONAL}):
        raise InputError(f"unknown column {', '.join(unknown)}; the columns are {', '.join(_REQUIRED + _OPTIONAL)}")
    label_id = _whole(row, "id", -(1 << 15), 255)
    train_id = _whole(row, "trainId", -1, VOID)
    instances = bool(_whole(row, "hasInstances", 0, 1)) if row.get("hasInstances") not in (None, "") else False
    if instances and label_id > _LAST_WITH_INSTANCES:
        raise InputError(f"id {label_id} with instances; ids of labels with instances go up to {_LAST_WITH_INSTANCES}")
    color = _color(row["color"])
    name = str(row["name"])
    return Label(name, label_id, train_id % 256, "", instances, train_id % 256 == VOID, color)


def _whole(row: dict[str, Any], key: str, least: int, most: int) -> int:
    try:
        value = int(str(row[key]) if not isinstance(row[key], bool) else row[key])
    except ValueError:
        value = most + 1
    if not least <= value <= most:
        raise InputError(f"{key} is {row[key]!r}, expected a whole number from {least} to {most}")
    return value


def _color(value: Any) -> tuple[int, int, int]:
    words = (
        [str(word) for word in value] if isinstance(value, list) else re.split(r"[\s,;]+", str(value).strip("()[] "))
    )
    if len(words) == 1 and re.fullmatch(r"#?[0-9a-fA-F]{6}", words[0]):
        code = int(words[0].lstrip("#"), 16)
        return code >> 16, code >> 8 & 255, code & 255
    if len(words) == 3 and all(word.isdecimal() and int(word) <= 255 for word in words):
        return int(words[0]), int(words[1]), int(words[2])
    raise InputError(f"color is {value!r}, expected #rrggbb or three numbers from 0 to 255")


def _doubles(labels: Sequence[Label]) -> list[str]:
    names = Counter(label.name for label in labels)
    ids = Counter(label.id for label in labels if label.id >= 0)
    return [f"the name {name!r} is given {count} times" for name, count in names.items() if count > 1] + [
        f"the id {label_id} is given {count} times" for label_id, count in ids.items() if count > 1
    ]
