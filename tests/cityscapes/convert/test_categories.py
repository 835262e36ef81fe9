"""The reading of category ids, by a flag, by names or by evidence."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cityscapes.convert.categories import INSTANCE_KINDS, PANOPTIC_KINDS, TABLES, THING_IDS, Kind, decide
from cityscapes.convert.reference import Key
from cityscapes.labels import BY_NAME, LABELS
from engine.errors import InputError

FILE = Path("r.json")


def test_every_table_numbers_scored_classes() -> None:
    scored = {label.id for label in LABELS if not label.ignore_in_eval}
    for kind, table in TABLES.items():
        assert set(table.values()) == (THING_IDS if kind.startswith("things_from") else scored), kind
    assert TABLES["things_from_0"] == {0: 24, 1: 25, 2: 26, 3: 27, 4: 28, 5: 31, 6: 32, 7: 33}
    assert TABLES["train_ids_from_1"][19] == BY_NAME["bicycle"].id


@pytest.mark.parametrize("kind", INSTANCE_KINDS)
def test_all_classes_have_one_numbering(kind: Kind) -> None:
    things = [key for key, label_id in TABLES[kind].items() if label_id in THING_IDS]
    reading = decide(FILE, things, things, {}, INSTANCE_KINDS, None)
    assert reading.table == TABLES[kind]


@pytest.mark.parametrize("kind", PANOPTIC_KINDS)
def test_things_tell_panoptic_numberings_apart(kind: Kind) -> None:
    things = [key for key, label_id in TABLES[kind].items() if label_id in THING_IDS]
    reading = decide(FILE, list(TABLES[kind]), things, {}, PANOPTIC_KINDS, None)
    assert reading.table == TABLES[kind]


@pytest.mark.parametrize(
    ("ids", "things", "expected"),
    [
        ([7, 26], [], ["label_ids: 7 to 33 (mmdetection, Mask2Former)"]),
        ([11, 12], [12], ["train_ids: 0 to 18 (Hugging Face)", "train_ids_from_1: 1 to 19"]),
        ([0, 8], [], ["train_ids: 0 to 18", "things_then_stuff: 0 to 18"]),
    ],
)
def test_what_fits_is_read_or_listed(ids: list[Key], things: list[Key], expected: Sequence[str]) -> None:
    if len(expected) == 1:
        assert decide(FILE, ids, things, {}, PANOPTIC_KINDS, None).table == TABLES["label_ids"]
        return
    with pytest.raises(InputError) as caught:
        decide(FILE, ids, things, {}, PANOPTIC_KINDS, None)
    assert all(option in str(caught.value) for option in expected)


def test_a_flag_has_precedence_over_names_and_names_over_evidence() -> None:
    names: dict[Key, str] = {24: "car", 26: "person", 29: "caravan"}
    assert decide(FILE, [24, 26, 29], [24], names, INSTANCE_KINDS, None).table == {24: 26, 26: 24}
    assert decide(FILE, [24, 26], [24], names, INSTANCE_KINDS, "label_ids").table == TABLES["label_ids"]
    with pytest.raises(InputError, match="category ids 27, 'x' have no name among the categories 24 'car', "):
        decide(FILE, [24, "x", 27], [24], names, INSTANCE_KINDS, None)


def test_many_ids_are_shortened() -> None:
    with pytest.raises(InputError, match=r"category ids 0, 1, 2, 3, \.\.\., 98 fit no numbering"):
        decide(FILE, range(99), [], {}, PANOPTIC_KINDS, None)
