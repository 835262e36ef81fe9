"""IoU, Dice and pixel accuracy of a folder of predictions, from one confusion matrix over all images.

For benchmarks whose prediction files hold train ids: one PNG per image, 255 where no class is predicted.
Benchmarks whose servers count in another way have their own scorer.
"""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import bootstrap, image_counts
from engine.arrays import Float64Array, Int64Array, UInt8Array
from engine.benchmark import ClassTable, Sample
from engine.bootstrap import Interval
from engine.confusion import ClassScores, occurring
from engine.errors import InputError, printable
from engine.files.folders import find
from engine.files.images import read_ids
from engine.findings import counted, grouped
from engine.image_counts import ImageCounts
from engine.parallel import parallel_map
from engine.tables import Table, percent_2

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS = 255
"""Value of a prediction without a class: a false negative, but a false positive of no class."""
MEAN = "mean"
"""Name of the last row of a table of scores."""


@dataclass(frozen=True)
class ScorerConfig:
    """Rules by which the predictions of a benchmark are read and scored."""

    classes: ClassTable
    suffix: str
    """End of the file name of a prediction, after the name of the sample."""
    read_mask: Callable[[Path], UInt8Array]
    """Reader from a mask file to (H, W) train ids; defined in a module, so that it can be pickled."""
    advice: str
    """Remedy for predictions whose ids are not classes, for error messages."""


@dataclass(frozen=True, eq=False)
class Scores(ClassScores):
    """Scores of a folder of predictions: by class, and averaged."""

    names: tuple[str, ...]
    """Names of the C classes."""
    images: int
    """Number of scored images."""
    official: int | None = None
    """Number of images of the official split; None if there is no official split."""
    counts: tuple[ImageCounts, ...] = ()
    """Pixel counts of each image, in the order of the samples."""

    @property
    def coverage(self) -> str:
        """The number of scored images, and whether it is that of the official split."""
        if self.official is None:
            return counted(self.images, "image")
        if self.images == self.official:
            return f"{counted(self.images, 'image')}, as in the official split"
        return (
            f"{counted(self.images, 'image')}, not the official {self.official}: do not compare with published scores"
        )

    def summary(self) -> dict[str, float]:
        """Name -> average; means are over the classes that occur."""
        return {
            "miou": _mean(self.iou),
            "mean_dice": _mean(self.dice),
            "mean_pixel_accuracy": _mean(self.accuracy),
            "pixel_accuracy": self.pixel_accuracy,
        }

    def table(self) -> Table:
        """The scores of each class, and below them their means over the classes that occur."""
        mean, number = self.summary(), len(occurring(self.iou))
        return Table(
            {
                "class": [*self.names, MEAN],
                "IoU": [*self.iou.tolist(), mean["miou"]],
                "Dice": [*self.dice.tolist(), mean["mean_dice"]],
                "accuracy": [*self.accuracy.tolist(), mean["mean_pixel_accuracy"]],
            },
            {
                "class": lambda name: f"mean of {number}" if name == MEAN else name,
                **dict.fromkeys(("IoU", "Dice", "accuracy"), percent_2),
            },
        )

    def to_dataframe(self) -> "pd.DataFrame":
        """The scores from 0 to 1: a row for each class and a last row `mean`; columns class, IoU, Dice, accuracy."""
        return self.table().to_dataframe()

    def remark(self) -> str:
        """The bootstrap interval of the mean IoU, the accuracy over all pixels, and what was scored."""
        accuracy = f"pixel accuracy {percent_2(self.pixel_accuracy)} over {self.coverage}"
        if not self.counts:
            return accuracy
        return f"{bootstrap.sentence('mean IoU', self.interval, len(self.counts))}\n{accuracy}"

    @cached_property
    def interval(self) -> Interval:
        """Bootstrap interval of the mean IoU over images; NaN without counts of images."""
        return image_counts.interval(self.counts) if self.counts else Interval(math.nan, math.nan)

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON content, with None for NaN."""
        columns = {"iou": self.iou, "dice": self.dice, "pixel_accuracy": self.accuracy}
        classes = {
            name: {key: None if np.isnan(values[i]) else float(values[i]) for key, values in columns.items()}
            for i, name in enumerate(self.names)
        }
        return {
            "images": self.images,
            "official_images": self.official,
            **self.summary(),
            "miou_interval": list(self.interval),
            "classes": classes,
            "confusion": self.confusion.tolist(),
            "counts": {image.stem: image.to_json() for image in self.counts},
        }


def score(
    config: ScorerConfig, samples: Sequence[Sample], predictions: Path, *, official: int | None = None, workers: int = 1
) -> Scores:
    """Score the predictions of all samples; the same to the last bit for any number of workers.

    Predictions that belong to no sample are named in a warning on stderr.

    Args:
        config: of the benchmark.
        samples: to score, with their masks.
        predictions: folder of prediction files.
        official: number of images of the official split; None if there is no official split.
        workers: number of processes.

    Raises:
        InputError: with all faults of all files.
    """
    found, faults = _find(config, samples, predictions)
    total = np.zeros((len(config.classes), len(config.classes) + 1), np.int64)
    images = []
    for pair, counts in parallel_map(functools.partial(count, config), found, workers=workers, title="scoring"):
        if isinstance(counts, InputError):
            faults.extend(counts.messages)
        else:
            total += counts
            images.append(_of_image(pair[0].name.removesuffix(config.suffix), counts))
    if faults:
        raise InputError(*grouped(faults))
    if not total.any():
        raise InputError(f"{samples[0].mask}: no pixel of this mask or any other has a class; unpack the masks again")
    return Scores(total, config.classes.names, len(found), official, tuple(images))


def count(config: ScorerConfig, pair: tuple[Path, Path]) -> Int64Array:
    """(C, C + 1) pixels of one prediction and its mask by true and predicted class.

    Raises:
        InputError: if a file cannot be read, the sizes differ, or the prediction holds an id that is not a class.
    """
    prediction, mask = read_prediction(config, pair[0]), config.read_mask(pair[1])
    if prediction.shape != mask.shape:
        raise InputError(
            f"{pair[0]}: the prediction is {_size(prediction)}, its mask {_size(mask)}; "
            "predict at full size, or enlarge the logits before the argmax"
        )
    classes = len(config.classes)
    labelled = mask != config.classes.void
    column = np.minimum(prediction[labelled], classes).astype(np.int64)
    cells = mask[labelled].astype(np.int64) * (classes + 1) + column
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def _of_image(stem: str, confusion: Int64Array) -> ImageCounts:
    """Reduce the (C, C + 1) confusion matrix of an image."""
    hits = confusion.diagonal().copy()
    return ImageCounts(stem, hits, confusion.sum(1) + confusion[:, :-1].sum(0) - hits)


def read_prediction(config: ScorerConfig, path: Path) -> UInt8Array:
    """(H, W) train ids of a prediction file, 255 for no class.

    Raises:
        InputError: if it cannot be read, or holds an id that is not a class.
    """
    ids = read_ids(path)
    pixels = np.bincount(ids.ravel(), minlength=256)
    present = np.flatnonzero(pixels)
    foreign = present[(present >= len(config.classes)) & (present != NO_CLASS)]
    if foreign.size:
        named = ", ".join(map(str, foreign[:8])) + (", ..." if foreign.size > 8 else "")
        raise InputError(
            f"{path}: id {named} on {pixels[foreign].sum()} pixels, expected 0 to {len(config.classes) - 1} "
            f"(or {NO_CLASS} for no class); {config.advice}"
        )
    return ids.astype(np.uint8)


def table(scores: Scores) -> str:
    """The scores in percent, as papers print them; `-` for a class that occurs nowhere."""
    return f"{scores.table().render()}\n{scores.remark()}"


def _find(
    config: ScorerConfig, samples: Sequence[Sample], predictions: Path
) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Predictions with their masks, and messages about samples without exactly one prediction."""
    if not predictions.is_dir():
        kind = "is a file" if predictions.exists() else "no such folder"
        raise InputError(f"{predictions}: {kind}; give the folder that the predictions were written to")
    by_name: dict[str, list[Path]] = {}
    for path in find(predictions, f"*{config.suffix}"):
        by_name.setdefault(path.name, []).append(path)
    found, faults = [], []
    for sample in samples:
        name = f"{Path(sample.name).name}{config.suffix}"
        paths = by_name.get(name, [])
        if len(paths) == 1 and sample.mask is not None:
            found.append((paths[0], sample.mask))
        elif not paths:
            faults.append(f"{predictions / name}: no such prediction; predict every image of the split")
        else:
            faults.append(f"{predictions}: {len(paths)} files {name}; keep one prediction of each image")
    if others := sorted(by_name.keys() - {f"{Path(sample.name).name}{config.suffix}" for sample in samples}):
        what = f"{counted(len(others), 'file')} not scored, because no image of this split has that name"
        shown = ", ".join([*others[:3], *(["..."] if len(others) > 3 else [])])
        print(printable(f"warning: {predictions}: {what} ({shown})"), file=sys.stderr)
    return found, faults


def _mean(values: Float64Array) -> float:
    return float(occurring(values).mean())


def _size(pixels: UInt8Array) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
