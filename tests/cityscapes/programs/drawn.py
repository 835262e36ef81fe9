"""A small drawn Cityscapes, and predictions of its images as networks give them: train ids, and scored instances."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.id_kind import SHARES
from cityscapes.labels import BY_TRAIN_ID, LABEL_ID_OF, TRAIN_ID_OF, VOID
from cityscapes.layout import Scene
from engine.files.images import write_png

Ids = npt.NDArray[np.uint8]
Area = npt.NDArray[np.bool_]

SPLITS = {
    "val": ("frankfurt_000000_000294", "frankfurt_000001_000538", "lindau_000000_000019", "munster_000000_000019"),
    "test": ("berlin_000000_000019", "bonn_000031_000019", "munich_000000_000019"),
}
"""Split -> stems of its images."""
CELL = 8
"""Width and height of the cells that scenes consist of, in pixels."""
ROWS, COLUMNS = 16, 32
FIRST_THING = 11
"""Train id of person; the classes from here on have instances."""
_EGO_VEHICLE, _CARAVAN, _CAR = 1, 29, 26
_SMALLEST = 3
"""Cells of the rarest class with instances: 192 pixels, more than the 100 pixels that count for the AP."""


class Truth(NamedTuple):
    """Ground truth of one scene, (H, W) each."""

    label_ids: Ids
    instance_ids: npt.NDArray[np.uint16]


class Instance(NamedTuple):
    """A predicted object."""

    train_id: int
    score: float
    mask: Area
    """(H, W)"""

    @property
    def name(self) -> str:
        """The name of its class."""
        return BY_TRAIN_ID[self.train_id].name

    @property
    def label_id(self) -> int:
        """The label id of its class."""
        return BY_TRAIN_ID[self.train_id].id


class Predicted(NamedTuple):
    """Prediction of one image."""

    stem: str
    train_ids: Ids
    """(H, W), 0 to 18: a network predicts a class for every pixel."""
    instances: tuple[Instance, ...]

    @property
    def city(self) -> str:
        """The folder of its image."""
        return self.stem.split("_", maxsplit=1)[0]


def draw(stem: str) -> Truth:
    """A street scene of cells, whose classes are as frequent as in Cityscapes; all 19 occur.

    The bottom row is the ego vehicle. There is a caravan, which is not scored, and a group of cars.
    """
    number = next(index for stems in SPLITS.values() for index, name in enumerate(stems) if name == stem)
    special = [(_CARAVAN, _CARAVAN * 1000, 2), (_CAR, _CAR, 4)]
    free = (ROWS - 1) * COLUMNS - sum(cells for *_, cells in special)
    cells = np.maximum(np.where(np.arange(len(SHARES)) >= FIRST_THING, _SMALLEST, 1), np.floor(SHARES * free * 0.95))
    cells[0] += free - cells.sum()
    runs = [(*ids, int(count)) for train_id, total in enumerate(cells) for *ids, count in _instances(train_id, total)]
    label_ids, instance_ids = (
        np.repeat([run[kind] for run in [*runs, *special]], [run[2] for run in [*runs, *special]]) for kind in (0, 1)
    )

    def whole(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        grid = np.roll(ids.reshape(COLUMNS, ROWS - 1).T, 5 * number, axis=1)
        return np.vstack([grid, np.full((1, COLUMNS), _EGO_VEHICLE)]).repeat(CELL, 0).repeat(CELL, 1)

    return Truth(whole(label_ids).astype(np.uint8), whole(instance_ids).astype(np.uint16))


def _instances(train_id: int, cells: float) -> list[tuple[int, int, int]]:
    """Label id, instance id and number of cells of each object of a class; two objects if there is room for them."""
    label_id = BY_TRAIN_ID[train_id].id
    if train_id < FIRST_THING:
        return [(label_id, label_id, int(cells))]
    number = 2 if cells >= 2 * _SMALLEST else 1
    shares = [int(cells) - int(cells) // number * (number - 1), *[int(cells) // number] * (number - 1)]
    return [(label_id, label_id * 1000 + index, share) for index, share in enumerate(shares)]


def write_root(root: Path) -> Path:
    """Write images, and the official masks of val; the ground truth of test is secret."""
    for split, stems in SPLITS.items():
        for stem in stems:
            scene, truth = Scene(split, stem.split("_", maxsplit=1)[0], stem), draw(stem)
            write_png(scene.image(root), np.zeros((*truth.label_ids.shape, 3), np.uint8))
            if split == "val":
                write_png(scene.official_mask(root, "labelIds"), truth.label_ids)
                write_png(scene.official_mask(root, "instanceIds"), truth.instance_ids)
    return root


def predict(split: str, shift: int = 0) -> list[Predicted]:
    """Predictions of all images of a split: perfect, or moved to the right by `shift` pixels.

    Pixels that are not scored are predicted as road. The group of cars is predicted as cars, but not as an instance.
    """
    return [_predicted(stem, shift) for stem in SPLITS[split]]


def _predicted(stem: str, shift: int) -> Predicted:
    truth = draw(stem)
    label_ids, instance_ids = (np.roll(ids, shift, axis=1) for ids in truth)
    train_ids = TRAIN_ID_OF[label_ids]
    train_ids[train_ids == VOID] = 0
    instances = []
    for instance_id in np.unique(instance_ids[instance_ids >= 1000]).tolist():
        train_id = int(TRAIN_ID_OF[instance_id // 1000])
        if train_id != VOID:
            score = 0.5 + (instance_id % 499) / 1000
            instances.append(Instance(train_id, score, instance_ids == instance_id))
    return Predicted(stem, train_ids, tuple(instances))


def label_ids_of(predicted: Predicted) -> Ids:
    """(H, W) label ids of a prediction."""
    return LABEL_ID_OF[predicted.train_ids]
