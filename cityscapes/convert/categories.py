"""Category ids of other programs: which label each stands for, by their names, by evidence or by a flag.

Programs number the classes of Cityscapes in different ways, and the ranges overlap: 1 is a rider, a person, or the
sidewalk. A wrong reading gives a valid file with a low score, so an ambiguous one is refused.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from cityscapes.convert.faults import shown
from cityscapes.convert.reference import Key
from cityscapes.labels import BY_ID, BY_NAME, LABELS
from engine.errors import InputError

_SCORED = tuple(sorted((label for label in LABELS if not label.ignore_in_eval), key=lambda label: label.train_id))
_THINGS = tuple(label for label in _SCORED if label.has_instances)
_STUFF = tuple(label for label in _SCORED if not label.has_instances)

Kind = Literal["label_ids", "train_ids", "train_ids_from_1", "things_from_0", "things_from_1", "things_then_stuff"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Table = Mapping[Key, int]
"""Category id -> label id."""

TABLES: dict[Kind, dict[Key, int]] = {
    "label_ids": {label.id: label.id for label in _SCORED},
    "train_ids": {label.train_id: label.id for label in _SCORED},
    "train_ids_from_1": {label.train_id + 1: label.id for label in _SCORED},
    "things_from_0": {number: label.id for number, label in enumerate(_THINGS)},
    "things_from_1": {number: label.id for number, label in enumerate(_THINGS, start=1)},
    "things_then_stuff": {number: label.id for number, label in enumerate(_THINGS + _STUFF)},
}
"""Way of numbering -> category id -> label id."""

_PROGRAMS: dict[Kind, str] = {
    "label_ids": "mmdetection, Mask2Former",
    "train_ids": "Hugging Face",
    "train_ids_from_1": "Ultralytics with 19 classes",
    "things_from_0": "detectron2",
    "things_from_1": "Ultralytics with 8 classes",
    "things_then_stuff": "mmdetection, panoptic without an annotation file",
}
"""Way of numbering -> programs that write it."""

INSTANCE_KINDS: tuple[Kind, ...] = ("label_ids", "train_ids", "train_ids_from_1", "things_from_0", "things_from_1")
PANOPTIC_KINDS: tuple[Kind, ...] = ("label_ids", "train_ids", "train_ids_from_1", "things_then_stuff")

THING_IDS = frozenset(label.id for label in _THINGS)
"""Label ids of the 8 classes with instances."""


class Reading(NamedTuple):
    """The decision how category ids are read."""

    table: Table
    description: str
    """Text for the report, for example `label ids`."""


def by_names(names: Mapping[Key, str]) -> Table:
    """Category id -> label id, for the names of scored classes; other names have no entry."""
    scored = {label.name: label.id for label in _SCORED}
    return {key: scored[name] for key, name in names.items() if name in scored}


def decide(
    path: Path,
    ids: Collection[Key],
    things: Collection[Key],
    names: Mapping[Key, str],
    kinds: Collection[Kind],
    chosen: Kind | None,
) -> Reading:
    """Decide how the category ids of a file are read.

    A flag has precedence over names, and names over evidence. By evidence one way of numbering remains, in which every
    id stands for a class and every thing of the file is a class with instances.

    Args:
        path: the file, for messages.
        ids: all category ids in it.
        things: those that are certainly classes with instances.
        names: id -> name of the categories; empty if they are not known.
        kinds: ways of numbering of the format.
        chosen: value of the flag; None for auto.

    Raises:
        InputError: if the names do not have all ids, or not exactly one way of numbering remains.
    """
    if chosen is not None:
        return Reading(TABLES[chosen], f"{_words(chosen)}, stated by --categories")
    fitting = [kind for kind in kinds if _fits(TABLES[kind], ids, things)]
    if names:
        if missing := sorted((key for key in ids if key not in names), key=str):
            raise InputError(
                f"{path}: category ids {_listed(missing)} have no name among the categories {_named(names)}; "
                f"state how they are numbered: --categories {'|'.join(fitting or kinds)}"
            )
        return Reading(by_names(names), "by the names of the categories")
    if len(fitting) == 1:
        return Reading(TABLES[fitting[0]], f"{_words(fitting[0])}, the only numbering that fits {_listed(ids)}")
    options = "; ".join(f"{kind}: {_range(kind)} ({_PROGRAMS[kind]})" for kind in fitting or kinds)
    what = "more than one numbering" if fitting else "no numbering of the classes"
    raise InputError(
        f"{path}: category ids {_listed(ids)} fit {what}: {options}; give the annotation file that has their names "
        f"(--annotations), or state the numbering: --categories {'|'.join(fitting or kinds)}"
    )


def unknown(path: Path, where: str, key: object, reading: Reading, names: Mapping[Key, str]) -> str:
    """The message on a category id that stands for no class of the task."""
    name = names.get(key) if isinstance(key, int | str) else None
    label = BY_NAME.get(name) if name else None
    got = f"category {shown(key)}" + (f" ({shown(name)})" if name else "")
    why = ", a label that is not scored" if label else ""
    known = ", ".join(f"{key} {BY_ID[label_id].name}" for key, label_id in reading.table.items())
    return f"{path}: {where}: got {got}{why}, expected one of: {known}; leave it out, or add --skip_faulty"


def _fits(table: Table, ids: Collection[Key], things: Collection[Key]) -> bool:
    return all(key in table for key in ids) and all(table.get(key) in THING_IDS for key in things)


def _words(kind: Kind) -> str:
    return kind.replace("_", " ")


def _range(kind: Kind) -> str:
    """The ids of a way of numbering, for example `0 to 7`."""
    keys = [key for key in TABLES[kind] if isinstance(key, int)]
    return f"{min(keys)} to {max(keys)}"


def _named(names: Mapping[Key, str]) -> str:
    shown_names = [f"{shown(key)} {shown(name)}" for key, name in list(names.items())[:8]]
    return ", ".join(shown_names) + (", ..." if len(names) > 8 else "")


def _listed(ids: Collection[Key]) -> str:
    """Ids for a message: all of them if they are few."""
    ordered = sorted(ids, key=lambda key: (isinstance(key, str), key if isinstance(key, int) else 0, str(key)))
    if len(ordered) <= 10:
        return ", ".join(shown(key) for key in ordered)
    return f"{', '.join(shown(key) for key in ordered[:4])}, ..., {shown(ordered[-1])}"
