"""Reports of results whose predictions are drawn from the ground truth of Cityscapes."""

from pathlib import Path

import numpy as np

from catalogue import benchmark
from cityscapes.labels import LABEL_ID_OF
from engine.arrays import UInt8Array
from engine.files.images import read_ids, write_png
from engine.image_counts import ImageCounts
from report.records import Predictions, Report, Result, ResultScores, Run

CITYSCAPES = benchmark("cityscapes")


def write_predictions(folder: Path, root: Path, split: str = "val", wrong: float = 0.1) -> None:
    """Predictions whose upper part, `wrong` of each later image more, is road."""
    for number, sample in enumerate(CITYSCAPES.samples(root, split)):
        assert sample.mask is not None
        ids = read_ids(sample.mask)
        ids = np.where(ids == CITYSCAPES.classes.void, 0, ids)
        ids[: round(len(ids) * wrong * (number + 1))] = 0
        write_png(folder / f"{sample.name}{CITYSCAPES.prediction_suffix}", LABEL_ID_OF[ids])


def result(
    folder: Path,
    root: Path | None,
    *,
    split: str | None = "val",
    images: Path | None = None,
    counts: tuple[ImageCounts, ...] = (),
    name: str = "cityscapes",
) -> Result:
    """The result of a folder of predictions."""
    scores = ResultScores(folder, "pixel", (), {}, None, counts, None, "", None) if counts else None
    predictions = Predictions(folder, name, root, split, images)
    return Result(folder.name, folder, "best", split or "images", name, scores=scores, predictions=predictions)


def report(*results: Result) -> Report:
    """A report of one run for each result."""
    runs = (Run(f"run of {one.key}", None, "results only", "", {}, (), {}, "", (), (one,), (), ()) for one in results)
    return Report(tuple(runs), (), (), (), ())


def flat_counts(stem: str, share: float) -> ImageCounts:
    """Counts of an image in which each class has this IoU."""
    return ImageCounts(stem, np.full(19, round(100 * share)), np.full(19, 100))


def checks(width: int, height: int, ids: int) -> UInt8Array:
    """(H, W) mask in which neighbours differ."""
    return (np.add.outer(3 * np.arange(height), np.arange(width)) % ids).astype(np.uint8)
