"""Predictions drawn for scoring, and the official scorer for comparison."""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cityscapes.labels import BY_ID
from cityscapes.layout import Scene
from cityscapes.scoring import main
from cityscapes.scoring.pixel.counts import SCORED, Pair
from engine.files.images import write_png

Mask = npt.NDArray[np.uint8]
Predict = Callable[[Mask, np.random.Generator], Mask]


# The official scorer


@functools.cache
def load_official() -> Any:
    """The official scorer; tests that use it are skipped without the package."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        module = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    module.args.quiet, module.args.JSONOutput = True, False
    return module


def official_scores(pairs: Sequence[Pair]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "in1d", np.isin, raising=False)
        predictions = [str(pair.prediction) for pair in pairs]
        masks = [str(pair.label_ids) for pair in pairs]
        official = load_official()
        return official.evaluateImgLists(predictions, masks, official.args)  # type: ignore[no-any-return]


def assert_equal(ours: Any, official: Any, where: str = "") -> None:
    if isinstance(official, dict):
        assert list(ours) == list(official) if where else set(ours) == set(official), where
        for key, value in official.items():
            assert_equal(ours[key], value, f"{where}/{key}")
    elif isinstance(official, float):
        assert isinstance(ours, float), where
        assert ours == pytest.approx(official, rel=0, abs=1e-9, nan_ok=True), where
    else:
        assert ours == official, where


# Small scenes


def draw_masks(rng: np.random.Generator, size: tuple[int, int], labels: Sequence[int]) -> tuple[Mask, Mask]:
    """Patches of labels; of labels with instances, one patch in four is a group, the others are instances."""
    cells = tuple(-(-side // 4) for side in size)
    label_ids = rng.choice(labels, cells)
    number = rng.integers(0, 4, cells)
    has_instances = np.array([BY_ID[label_id].has_instances for label_id in range(34)])
    single = has_instances[label_ids] & (rng.random(cells) < 0.75)
    instance_ids = np.where(single, label_ids * 1000 + number, label_ids)

    def enlarge(mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return mask.repeat(4, 0).repeat(4, 1)[: size[0], : size[1]]

    return enlarge(label_ids).astype(np.uint8), enlarge(instance_ids).astype(np.uint16)


def perfect(mask: Mask, rng: np.random.Generator) -> Mask:
    return mask


def shifted(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.roll(mask, (1, -2), (0, 1))


def noisy(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.where(rng.random(mask.shape) < 0.2, rng.integers(0, 34, mask.shape), mask).astype(np.uint8)


def all_void(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.zeros_like(mask)


def single_class(mask: Mask, rng: np.random.Generator) -> Mask:
    return np.full_like(mask, 26)


class Folder:
    """A Cityscapes root, and a folder of predictions next to it."""

    def __init__(self, path: Path) -> None:
        self.root = path / "data"
        self.predictions = path / "predictions"

    def add(
        self,
        number: int = 0,
        predict: Predict = shifted,
        *,
        labels: Sequence[int] = range(34),
        size: tuple[int, int] = (30, 41),
        split: str = "val",
    ) -> Pair:
        rng = np.random.default_rng(number)
        label_ids, instance_ids = draw_masks(rng, size, labels)
        scene = Scene(split, "ulm", f"ulm_{number:06}_000019")
        pair = Pair(
            scene.stem,
            self.predictions / f"{scene.stem}_labelId_preds.png",
            scene.official_mask(self.root, "labelIds"),
            scene.official_mask(self.root, "instanceIds"),
        )
        for path, mask in zip(pair[1:], (predict(label_ids, rng), label_ids, instance_ids), strict=True):
            write_png(path, mask)
        return pair

    def argv(self, *more: str) -> list[str]:
        return ["--predictions", str(self.predictions), "--root", str(self.root), "--workers", "1", *more]


CLASSES = np.flatnonzero(SCORED)


def patches(rng: np.random.Generator, size: tuple[int, int], share: float = 1.0) -> Mask:
    """Squares of scored labels; a `share` below 1 mixes in squares of any label."""
    cells = (-(-size[0] // 8), -(-size[1] // 8))
    ids = np.where(rng.random(cells) < share, rng.choice(CLASSES[:8], cells), rng.integers(0, 34, cells))
    return ids.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].astype(np.uint8)


def argv(data: Path, name: str = "good", *more: str) -> list[str]:
    return ["--predictions", str(data / name), "--root", str(data / "data"), "--workers", "1", *more]


def fault_lines(folder: Folder, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """Error lines of the command for input that it must refuse."""
    assert main(folder.argv(*more)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert all(line.startswith("error: ") for line in lines), printed.err
    return [line.removeprefix("error: ") for line in lines]
