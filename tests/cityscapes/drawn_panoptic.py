"""Panoptic predictions drawn for scoring, and the official converter and scorer for comparison."""

import contextlib
import functools
import io
import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cityscapes.labels import BY_ID
from cityscapes.layout import Scene
from engine.files.images import write_png
from tests.cityscapes.drawn_predictions import draw_masks

Ids = npt.NDArray[np.integer[Any]]
"""(H, W) instance ids of the ground truth, or segment ids of a prediction."""


class Drawn(NamedTuple):
    """A panoptic prediction of one scene."""

    ids: Ids
    """(H, W) segment ids; 0 where nothing is predicted."""
    categories: dict[int, int]
    """Segment id -> category id."""


LAST = 0xFFFFFF
"""Largest segment id."""

Predict = Callable[[Ids, np.random.Generator], Drawn]


# Predictions


def category_of(instance_id: int) -> int | None:
    """The category of an instance id; None if its label is not scored."""
    label = BY_ID[instance_id if instance_id < 1000 else instance_id // 1000]
    return None if label.ignore_in_eval else label.id


def drawn(ids: Ids, category: Callable[[int], int | None] = category_of) -> Drawn:
    """A prediction whose segment ids have these categories; ids without one become void."""
    found = {number: category(number) for number in np.unique(ids).tolist() if number}
    kept = {number: of for number, of in found.items() if of is not None}
    return Drawn(np.where(np.isin(ids, list(kept)), ids, 0).astype(np.uint32), kept)


def perfect(truth: Ids, rng: np.random.Generator) -> Drawn:
    return drawn(truth)


def shifted(truth: Ids, rng: np.random.Generator) -> Drawn:
    return drawn(np.roll(truth, 1, 1))


def split(truth: Ids, rng: np.random.Generator) -> Drawn:
    """Each segment in two parts, the right one with an id of its own."""
    right = np.arange(truth.shape[1]) > truth.shape[1] * 0.4
    return drawn(np.where(right, truth + 100_000, truth), lambda number: category_of(number % 100_000))


def merged(truth: Ids, rng: np.random.Generator) -> Drawn:
    """All objects of a class in one segment."""
    return drawn(np.where(truth < 1000, truth, truth // 1000))


def duplicated(truth: Ids, rng: np.random.Generator) -> Drawn:
    """Each segment twice, on alternating rows: each half has an IoU of 0.5 at most."""
    odd = (np.arange(len(truth)) % 2 == 1)[:, None]
    return drawn(np.where(odd, truth + 200_000, truth), lambda number: category_of(number % 200_000))


def grown(truth: Ids, rng: np.random.Generator) -> Drawn:
    """Segments that also cover the void to their right and below."""
    ids = drawn(truth).ids
    for axis in (0, 1) * 4:
        ids = np.where(ids == 0, np.roll(ids, 1, axis), ids)
    return drawn(ids)


def on_void(truth: Ids, rng: np.random.Generator) -> Drawn:
    """Cars on everything that is not scored, and on the row below it."""
    void = drawn(truth).ids == 0
    return drawn(np.where(void | np.roll(void, 1, 0), 26_001, truth))


def on_groups(truth: Ids, rng: np.random.Generator) -> Drawn:
    """Two objects on each group, and a group on each object."""
    left = np.arange(truth.shape[1]) % 7 < 4
    groups = {number for number in np.unique(truth).tolist() if BY_ID.get(number, BY_ID[0]).has_instances}
    on_group = np.where(left, truth * 1000 + 900, truth * 1000 + 901)
    return drawn(np.where(np.isin(truth, list(groups)), on_group, np.where(truth < 1000, truth, truth // 1000)))


def wrong_class(truth: Ids, rng: np.random.Generator) -> Drawn:
    """The right segments, some of them of another class."""
    others = rng.permutation([7, 11, 24, 26, 31, 33])
    return drawn(truth, lambda number: int(others[number % 6]) if number % 3 == 0 else category_of(number))


def noisy(truth: Ids, rng: np.random.Generator) -> Drawn:
    blots = rng.integers(0, 34, truth.shape)
    return drawn(np.where(rng.random(truth.shape) < 0.2, blots, truth))


def nothing(truth: Ids, rng: np.random.Generator) -> Drawn:
    return drawn(np.zeros_like(truth))


def single_segment(truth: Ids, rng: np.random.Generator) -> Drawn:
    return drawn(np.full_like(truth, 26_000))


def large_ids(truth: Ids, rng: np.random.Generator) -> Drawn:
    """Ids that need all three channels of the PNG."""
    moved = drawn(truth)
    return Drawn(
        np.where(moved.ids == 0, 0, 0xFFFFFF - moved.ids),
        {0xFFFFFF - number: of for number, of in moved.categories.items()},
    )


PREDICTIONS: Sequence[Predict] = (
    *(perfect, shifted, split, merged, duplicated, grown, on_void, on_groups, wrong_class, noisy, nothing),
    *(single_segment, large_ids),
)


# Files


def rgb_of(ids: Ids) -> npt.NDArray[np.uint8]:
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)


class PanopticFolder:
    """A Cityscapes root with instance ids, and a folder of panoptic predictions next to it."""

    def __init__(self, path: Path, split: str = "val") -> None:
        self.root = path / "data"
        self.predictions = path / "predictions"
        self.split = split
        self.annotations: list[dict[str, Any]] = []

    @property
    def json(self) -> Path:
        return self.predictions / f"cityscapes_panoptic_{self.split}.json"

    @property
    def pngs(self) -> Path:
        return self.predictions / f"cityscapes_panoptic_{self.split}"

    def add(
        self,
        number: int = 0,
        predict: Predict = shifted,
        *,
        labels: Sequence[int] = range(34),
        size: tuple[int, int] = (30, 41),
    ) -> Scene:
        """Draw a scene and its prediction; `write` then writes the JSON of all predictions."""
        rng = np.random.default_rng(number)
        return self.add_truth(f"ulm_{number:06}_000019", draw_masks(rng, size, labels)[1], predict, rng)

    def add_truth(self, stem: str, truth: Ids, predict: Predict, rng: np.random.Generator | None = None) -> Scene:
        scene = Scene(self.split, stem.split("_", maxsplit=1)[0], stem)
        write_png(scene.official_mask(self.root, "instanceIds"), truth.astype(np.uint16))
        self.add_prediction(stem, predict(truth.astype(np.int64), rng or np.random.default_rng(0)))
        self.write()
        return scene

    def add_prediction(self, stem: str, prediction: Drawn) -> None:
        segments = [{"id": number, "category_id": category} for number, category in prediction.categories.items()]
        name = f"{stem}_panoptic.png"
        self.annotations.append({"image_id": stem, "file_name": name, "segments_info": segments})
        self.pngs.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb_of(prediction.ids)).save(self.pngs / name)

    def write(self) -> None:
        self.json.write_text(json.dumps({"annotations": self.annotations}))

    def convert(self, output: Path | None = None) -> Path:
        """Ground truth as the official converter makes it, in gtFine unless another folder is given."""
        folder = output or self.root / "gtFine"
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            load_converter().convert2panoptic(str(self.root / "gtFine"), str(folder), setNames=[self.split])
        return folder / f"cityscapes_panoptic_{self.split}.json"

    def remove_instance_ids(self) -> None:
        shutil.rmtree(self.root / "gtFine" / self.split)

    def argv(self, *more: str) -> list[str]:
        return [
            *("--task", "panoptic", "--predictions", str(self.predictions), "--root", str(self.root)),
            *("--split", self.split, "--workers", "1", *more),
        ]


# The official converter and scorer


def load_converter() -> Any:
    return pytest.importorskip("cityscapesscripts.preparation.createPanopticImgs")


@functools.cache
def load_official() -> Any:
    """The official scorer; tests that use it are skipped without the package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")


def official_quality(folder: PanopticFolder, truth: Path | None = None) -> dict[str, Any]:
    """The result file of the official scorer; None where it divides by zero, because no class occurs.

    Its ground truth is that of the official converter.
    """
    official = load_official()
    truth = truth or folder.convert(folder.root.parent / "official")

    def averages(counts: Any, categories: dict[int, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"per_class": {}}
        for name, things in (("All", None), ("Things", True), ("Stuff", False)):
            try:
                found[name], of_classes = counts.pq_average(categories, isthing=things)
            except ZeroDivisionError:
                found[name] = {"pq": None, "sq": None, "rq": None, "n": 0}
                continue
            if things is None:
                found["per_class"] = of_classes
        return found

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(official, "pq_compute_multi_core", functools.partial(official.pq_compute_single_core, 0))
        patch.setattr(official, "average_pq", averages)
        patch.setattr(official, "print_results", lambda *_: None)
        written = folder.root.parent / "official.json"
        official.evaluatePanoptic(
            str(truth), str(truth.with_suffix("")), str(folder.json), str(folder.pngs), str(written)
        )
    return json.loads(written.read_text())  # type: ignore[no-any-return]
