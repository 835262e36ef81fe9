"""The Cityscapes label table, and the lookups derived from it.

The values are those of cityscapesScripts (`helpers/labels.py`), against which a test checks them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.benchmark import ClassTable
from engine.errors import InputError

VOID = 255
"""Train id of pixels that are neither trained on nor scored."""


class Label(NamedTuple):
    """One row of the label table."""

    name: str
    id: int
    """Pixel value in label-id masks and submissions; labels with a negative id are never drawn."""
    train_id: int
    """Class index for training, 0 to 18, or VOID."""
    category: str
    """Name of the official category, for example vehicle."""
    has_instances: bool
    """Whether each object has an instance id."""
    ignore_in_eval: bool
    """Whether the official scorer ignores this label."""
    color: tuple[int, int, int]
    """Official colour as RGB, 0 to 255."""


LABELS = (
    Label("unlabeled", 0, VOID, "void", False, True, (0, 0, 0)),
    Label("ego vehicle", 1, VOID, "void", False, True, (0, 0, 0)),
    Label("rectification border", 2, VOID, "void", False, True, (0, 0, 0)),
    Label("out of roi", 3, VOID, "void", False, True, (0, 0, 0)),
    Label("static", 4, VOID, "void", False, True, (0, 0, 0)),
    Label("dynamic", 5, VOID, "void", False, True, (111, 74, 0)),
    Label("ground", 6, VOID, "void", False, True, (81, 0, 81)),
    Label("road", 7, 0, "flat", False, False, (128, 64, 128)),
    Label("sidewalk", 8, 1, "flat", False, False, (244, 35, 232)),
    Label("parking", 9, VOID, "flat", False, True, (250, 170, 160)),
    Label("rail track", 10, VOID, "flat", False, True, (230, 150, 140)),
    Label("building", 11, 2, "construction", False, False, (70, 70, 70)),
    Label("wall", 12, 3, "construction", False, False, (102, 102, 156)),
    Label("fence", 13, 4, "construction", False, False, (190, 153, 153)),
    Label("guard rail", 14, VOID, "construction", False, True, (180, 165, 180)),
    Label("bridge", 15, VOID, "construction", False, True, (150, 100, 100)),
    Label("tunnel", 16, VOID, "construction", False, True, (150, 120, 90)),
    Label("pole", 17, 5, "object", False, False, (153, 153, 153)),
    Label("polegroup", 18, VOID, "object", False, True, (153, 153, 153)),
    Label("traffic light", 19, 6, "object", False, False, (250, 170, 30)),
    Label("traffic sign", 20, 7, "object", False, False, (220, 220, 0)),
    Label("vegetation", 21, 8, "nature", False, False, (107, 142, 35)),
    Label("terrain", 22, 9, "nature", False, False, (152, 251, 152)),
    Label("sky", 23, 10, "sky", False, False, (70, 130, 180)),
    Label("person", 24, 11, "human", True, False, (220, 20, 60)),
    Label("rider", 25, 12, "human", True, False, (255, 0, 0)),
    Label("car", 26, 13, "vehicle", True, False, (0, 0, 142)),
    Label("truck", 27, 14, "vehicle", True, False, (0, 0, 70)),
    Label("bus", 28, 15, "vehicle", True, False, (0, 60, 100)),
    Label("caravan", 29, VOID, "vehicle", True, True, (0, 0, 90)),
    Label("trailer", 30, VOID, "vehicle", True, True, (0, 0, 110)),
    Label("train", 31, 16, "vehicle", True, False, (0, 80, 100)),
    Label("motorcycle", 32, 17, "vehicle", True, False, (0, 0, 230)),
    Label("bicycle", 33, 18, "vehicle", True, False, (119, 11, 32)),
    Label("license plate", -1, VOID, "vehicle", False, True, (0, 0, 142)),
)

BY_NAME = {label.name: label for label in LABELS}
BY_ID = {label.id: label for label in LABELS}
BY_TRAIN_ID = {label.train_id: label for label in LABELS if label.train_id != VOID}
CATEGORIES = tuple(dict.fromkeys(label.category for label in LABELS))

CLASSES = ClassTable(
    names=tuple(BY_TRAIN_ID[train_id].name for train_id in sorted(BY_TRAIN_ID)),
    colors=tuple(BY_TRAIN_ID[train_id].color for train_id in sorted(BY_TRAIN_ID)),
    void=VOID,
)
"""The 19 classes that are trained and scored, in the order of their train ids."""


def _lookup(pairs: dict[int, int], default: int) -> npt.NDArray[np.uint8]:
    table = np.full(256, default, np.uint8)
    for key, value in pairs.items():
        table[key] = value
    return table


class LabelTable:
    """Labels and the lookups derived from them; either the official labels, or those of custom annotations."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self.labels = tuple(labels)
        self.by_name = {label.name: label for label in labels}
        drawn = [label for label in labels if label.id >= 0]
        self.names = {label.id: label.name for label in drawn}
        """Label id -> name, without labels that are never drawn."""
        self.train_id_of = _lookup({label.id: label.train_id for label in drawn}, VOID)
        """(256,) uint8: label id -> train id; ids that are not in the table become VOID."""
        self.color_of = np.zeros((256, 3), np.uint8)
        """(256, 3) uint8 RGB: label id -> colour; ids that are not in the table become black."""
        for label in drawn:
            self.color_of[label.id] = label.color

    def find(self, name: str) -> tuple[Label, bool]:
        """The label of an annotated object, and whether the object is a group.

        A name that ends in `group` and is not in the table, for example `cargroup`, means a group of its base label, as
        in the official tools; `polegroup` is in the table.

        Raises:
            InputError: if there is no such label.
        """
        if name in self.by_name:
            return self.by_name[name], False
        base = name.removesuffix("group")
        if base != name and base in self.by_name:
            return self.by_name[base], True
        known = "the Cityscapes labels" if self.labels == LABELS else "the labels of the table"
        raise InputError(f"unknown label {name[:60]!r}; {known} are: {', '.join(sorted(self.by_name))}")


OFFICIAL = LabelTable(LABELS)

TRAIN_ID_OF = OFFICIAL.train_id_of
"""(256,) uint8: label id -> train id; ids that are not in the table become VOID."""

LABEL_ID_OF = _lookup({train_id: label.id for train_id, label in BY_TRAIN_ID.items()}, 0)
"""(256,) uint8: train id -> label id; VOID and all other ids become 0, `unlabeled`."""

COLOR_OF = OFFICIAL.color_of
"""(256, 3) uint8 RGB: label id -> colour; ids that are not in the table become black."""

find = OFFICIAL.find
