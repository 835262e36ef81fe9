import numpy as np
import pytest

from cityscapes.labels import BY_NAME, CATEGORIES, CLASSES, COLOR_OF, LABEL_ID_OF, LABELS, TRAIN_ID_OF, VOID, find
from engine.errors import InputError

official = pytest.importorskip("cityscapesscripts.helpers.labels")


def test_the_table_is_the_official_one() -> None:
    ours = [label._replace(train_id=-1 if label.id < 0 else label.train_id) for label in LABELS]
    theirs = [
        (row.name, row.id, row.trainId, row.category, row.hasInstances, row.ignoreInEval, row.color)
        for row in official.labels
    ]
    assert [tuple(label) for label in ours] == theirs
    assert list(CATEGORIES) == list(official.category2labels)


def test_lookups_follow_from_the_table() -> None:
    for row in official.labels:
        if row.id >= 0:
            assert TRAIN_ID_OF[row.id] == row.trainId
            assert tuple(COLOR_OF[row.id]) == row.color
    train_ids = np.arange(len(CLASSES))
    assert np.array_equal(TRAIN_ID_OF[LABEL_ID_OF[train_ids]], train_ids)
    assert (LABEL_ID_OF[len(CLASSES) :] == 0).all()
    assert (TRAIN_ID_OF[34:] == VOID).all()


def test_classes_in_the_order_of_their_train_ids() -> None:
    assert CLASSES.names[:2] == ("road", "sidewalk")
    assert CLASSES.names[18] == "bicycle"
    assert CLASSES.colorize(np.array([[13, VOID]], np.uint8)).tolist() == [[[0, 0, 142], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("name", "label", "group"),
    [("car", "car", False), ("cargroup", "car", True), ("polegroup", "polegroup", False)],
)
def test_groups_fall_back_to_their_base_label(name: str, label: str, group: bool) -> None:
    assert find(name) == (BY_NAME[label], group)


@pytest.mark.parametrize("name", ["spaceship", "spaceshipgroup", "group", ""])
def test_an_unknown_label_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown label"):
        find(name)
