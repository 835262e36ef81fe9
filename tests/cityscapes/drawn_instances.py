"""Predictions of instances drawn for scoring, and the official scorer for comparison."""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from cityscapes.formats import instance
from cityscapes.formats.instance import LABELS_WITH_INSTANCES, InstanceLine
from cityscapes.layout import Scene
from cityscapes.scoring.instance.pairs import Pair
from engine.files.images import write_png

IdMask = npt.NDArray[np.uint16]
Bools = npt.NDArray[np.bool_]

SCORED = [label.id for label in LABELS_WITH_INSTANCES]


class Prediction(NamedTuple):
    """One predicted instance."""

    label_id: int
    confidence: float
    mask: Bools


Predict = Callable[[IdMask, np.random.Generator], Iterator[Prediction]]


# The official scorer


@functools.cache
def load_official() -> Any:
    """The official scorer; tests that use it are skipped without the package."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        module = pytest.importorskip("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")
    module.args.quiet, module.args.JSONOutput = True, False
    return module


def official_scores(pairs: Sequence[Pair], predictions: Path) -> dict[str, Any]:
    """The content of the official result file."""
    official = load_official()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of means without a value
        patch.setattr(np, "in1d", np.isin, raising=False)
        patch.setattr(official, "writeDict2JSON", lambda content, path: None)
        patch.setattr(official.args, "gtInstancesFile", str(predictions / "none.json"))
        patch.setattr(official.args, "predictionPath", str(predictions.resolve()))
        texts, masks = [str(pair.text) for pair in pairs], [str(pair.instance_ids) for pair in pairs]
        return official.evaluateImgLists(texts, masks, official.args)  # type: ignore[no-any-return]


# Small scenes


def draw_scene(rng: np.random.Generator, size: tuple[int, int] = (48, 64), labels: Sequence[int] = SCORED) -> IdMask:
    """Areas without instances, then ellipses of instances and groups; some are small, some void."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    ids = np.where(columns < size[1] // 2, 7, 11).astype(np.uint16)
    ids[: size[0] // 6] = 0
    for number in range(int(rng.integers(4, 12))):
        label_id = int(rng.choice([*labels, *labels, 29, 4]))
        single = label_id >= 24 and rng.random() < 0.75
        row, column = rng.integers(0, size[0]), rng.integers(0, size[1])
        high, wide = rng.integers(3, 14, 2)
        inside = ((rows - row) / high) ** 2 + ((columns - column) / wide) ** 2 < 1
        ids[inside] = label_id * 1000 + number if single else label_id
    return ids


def areas(ids: IdMask) -> Iterator[tuple[int, int, Bools]]:
    """Label id, instance id and pixels of each instance and group of a scored class."""
    for found in np.unique(ids).tolist():
        label_id = found if found < 1000 else found // 1000
        if label_id in SCORED:
            yield label_id, found, ids == found


def moved(mask: Bools, down: int, right: int) -> Bools:
    """The mask, moved; what leaves the image enters at the other side."""
    return np.roll(mask, (down, right), (0, 1))


def perfect(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    for label_id, found, mask in areas(ids):
        if found >= 1000:
            yield Prediction(label_id, round(rng.random(), 3), mask)


def with_groups(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """Instances and groups, each as one mask, and as halves."""
    for label_id, _, mask in areas(ids):
        yield Prediction(label_id, round(rng.random(), 3), mask)
        half = mask & (np.arange(mask.shape[1]) < np.median(np.nonzero(mask)[1]))
        yield Prediction(label_id, round(rng.random(), 1), half)


def shifted(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    for label_id, _, mask in areas(ids):
        yield Prediction(label_id, round(rng.random(), 3), moved(mask, *rng.integers(-3, 4, 2).tolist()))


def split(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """Two parts of each instance, at a random column."""
    for label_id, _, mask in areas(ids):
        columns = np.arange(mask.shape[1]) < rng.choice(np.nonzero(mask)[1])
        yield Prediction(label_id, round(rng.random(), 3), mask & columns)
        yield Prediction(label_id, round(rng.random(), 3), mask & ~columns)


def merged(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """All instances of a class as one."""
    for label_id in SCORED:
        masks = [mask for label, _, mask in areas(ids) if label == label_id]
        if masks:
            yield Prediction(label_id, round(rng.random(), 3), np.logical_or.reduce(masks))


def duplicated(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """Several predictions of each instance with different confidences."""
    for label_id, _, mask in areas(ids):
        for _ in range(int(rng.integers(1, 5))):
            yield Prediction(label_id, rng.random(), moved(mask, 0, int(rng.integers(-2, 3))))


def of_equal_confidence(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """As `duplicated`, with only two different confidences."""
    for prediction in duplicated(ids, rng):
        yield prediction._replace(confidence=float(rng.choice([0.25, 0.5])))


def on_void(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """Masks of which a varying part is void."""
    rows = np.arange(ids.shape[0])[:, None] * np.ones(ids.shape[1], np.int64)
    for label_id in SCORED:
        top, height = int(rng.integers(0, 9)), int(rng.integers(1, 12))
        yield Prediction(label_id, round(rng.random(), 2), (rows >= top) & (rows < top + height))


def small(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """Parts of instances with fewer than 100 pixels, and a few empty masks."""
    for label_id, _, mask in areas(ids):
        flat = np.flatnonzero(mask)[: int(rng.integers(0, 99))]
        part = np.zeros(mask.size, np.bool_)
        part[flat] = True
        yield Prediction(label_id, round(rng.random(), 2), part.reshape(mask.shape))


def of_another_class(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """Instances as a class that often does not occur, or has no instances."""
    for _, _, mask in areas(ids):
        yield Prediction(int(rng.choice([*SCORED, 7, 29, 30])), round(rng.random(), 2), mask)


def nothing(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    yield from ()


def mixed(ids: IdMask, rng: np.random.Generator) -> Iterator[Prediction]:
    """A few of each kind."""
    for predict in (shifted, split, duplicated, of_equal_confidence, on_void, small, of_another_class, with_groups):
        for prediction in predict(ids, rng):
            if rng.random() < 0.4:
                yield prediction


KINDS: tuple[Predict, ...] = (
    perfect,
    with_groups,
    shifted,
    split,
    merged,
    duplicated,
    of_equal_confidence,
    on_void,
    small,
    of_another_class,
    mixed,
)


class InstanceFolder:
    """A Cityscapes root, and a folder of predicted instances next to it."""

    def __init__(self, path: Path) -> None:
        self.root = path / "data"
        self.predictions = path / "predictions"

    def scene(self, number: int, split: str = "val") -> Scene:
        return Scene(split, "ulm", f"ulm_{number:06}_000019")

    def add(self, number: int = 0, predict: Predict = shifted, *, ids: IdMask | None = None) -> Pair:
        """Add a scene with this number, which is also the seed of everything drawn."""
        rng = np.random.default_rng(number)
        drawn = draw_scene(rng) if ids is None else ids
        pair = self.pair(number)
        write_png(pair.instance_ids, drawn)
        self.write(pair, list(predict(drawn, rng)))
        return pair

    def pair(self, number: int) -> Pair:
        scene = self.scene(number)
        text = self.predictions / f"{scene.stem}_pred.txt"
        return Pair(scene.stem, text, scene.official_mask(self.root, "instanceIds"))

    def write(self, pair: Pair, predictions: Sequence[Prediction]) -> None:
        """Write the text file and the masks of a scene."""
        lines = []
        for number, (label_id, confidence, mask) in enumerate(predictions):
            name = f"masks/{pair.stem}_{number}.png"
            path = self.predictions / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(instance.encode_mask(mask))
            lines.append(InstanceLine(number + 1, name, label_id, confidence))
        pair.text.parent.mkdir(parents=True, exist_ok=True)
        pair.text.write_text(instance.text_of(lines))

    def mask(self, pair: Pair, number: int = 0) -> Path:
        """Path of a mask."""
        return self.predictions / f"masks/{pair.stem}_{number}.png"

    def argv(self, *more: str) -> list[str]:
        base = ["--task", "instance", "--predictions", str(self.predictions), "--root", str(self.root)]
        return [*base, "--workers", "1", *more]
