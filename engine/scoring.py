"""A folder of predicted train ids -> IoU, Dice and pixel accuracies, counted over all images together.

For benchmarks whose prediction files hold train ids: one PNG an image, 255 where no class was given.
Those whose servers count otherwise bring a scorer of their own.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.arrays import Float64Array, Int64Array, UInt8Array
from engine.benchmark import ClassTable, Sample
from engine.confusion import ClassScores, occurring
from engine.errors import InputError, printable
from engine.files.folders import find
from engine.files.images import read_ids
from engine.findings import counted, grouped
from engine.parallel import parallel_map
from engine.tables import Table, percent_2

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS = 255
"""What a prediction holds where it gives no class: a miss, but nobody's false positive."""
MEAN = "mean"
"""Name of the last row of a table of scores."""


@dataclass(frozen=True)
class ScorerConfig:
    """How the predictions of a benchmark are read and scored."""

    classes: ClassTable
    suffix: str
    """What follows a sample's name in the file name of its prediction."""
    read_mask: Callable[[Path], UInt8Array]
    """Mask file -> (H, W) train ids; a function of a module, so that processes can share it."""
    advice: str
    """What to do about a prediction with ids that are no class."""


@dataclass(frozen=True, eq=False)
class Scores(ClassScores):
    """Scores of a folder of predictions: those of the classes, and their averages."""

    names: tuple[str, ...]
    """Of the C classes."""
    images: int
    """How many were scored."""
    official: int | None = None
    """How many the official split has, where there is one."""

    @property
    def coverage(self) -> str:
        """How many images were scored, and whether that is the official split."""
        if self.official is None:
            return counted(self.images, "image")
        if self.images == self.official:
            return f"{counted(self.images, 'image')}, as in the official split"
        return f"{counted(self.images, 'image')}, not the official {self.official}: compare with no published scores"

    def summary(self) -> dict[str, float]:
        """The averages by name; the means are over the classes that occur."""
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
        """The accuracy over all pixels, and what was scored."""
        return f"pixel accuracy {percent_2(self.pixel_accuracy)} over {self.coverage}"

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON has them, null for NaN."""
        columns = {"iou": self.iou, "dice": self.dice, "pixel_accuracy": self.accuracy}
        classes = {
            name: {key: None if np.isnan(values[i]) else float(values[i]) for key, values in columns.items()}
            for i, name in enumerate(self.names)
        }
        images = {"images": self.images, "official_images": self.official}
        return {**images, **self.summary(), "classes": classes, "confusion": self.confusion.tolist()}


def score(
    config: ScorerConfig, samples: Sequence[Sample], predictions: Path, *, official: int | None = None, workers: int = 1
) -> Scores:
    """Score the predictions of all samples; the same to the last bit for any number of workers.

    A warning on stderr says which predictions belong to no sample.

    Args:
        config: of the benchmark.
        samples: with their masks.
        predictions: a folder.
        official: how many images the official split has, where there is one.
        workers: processes.

    Raises:
        InputError: with everything that is wrong with any file.
    """
    found, faults = _find(config, samples, predictions)
    total = np.zeros((len(config.classes), len(config.classes) + 1), np.int64)
    for _, counts in parallel_map(functools.partial(count, config), found, workers=workers, title="scoring"):
        if isinstance(counts, InputError):
            faults.extend(counts.messages)
        else:
            total += counts
    if faults:
        raise InputError(*grouped(faults))
    if not total.any():
        raise InputError(f"{samples[0].mask}: no pixel of this mask or any other has a class; unpack the masks again")
    return Scores(total, config.classes.names, len(found), official)


def count(config: ScorerConfig, pair: tuple[Path, Path]) -> Int64Array:
    """(C, C + 1) pixels of one prediction and its mask by true and predicted class.

    Raises:
        InputError: if either file is bad, the sizes differ, or the prediction has ids that are no class.
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


def read_prediction(config: ScorerConfig, path: Path) -> UInt8Array:
    """(H, W) train ids of a prediction file, 255 for no class.

    Raises:
        InputError: if it cannot be read or has other ids.
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
    """Predictions with their masks, and what is wrong with the others."""
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
        what = f"{counted(len(others), 'file')} of no image of this split, not scored"
        shown = ", ".join([*others[:3], *(["..."] if len(others) > 3 else [])])
        print(printable(f"warning: {predictions}: {what} ({shown})"), file=sys.stderr)
    return found, faults


def _mean(values: Float64Array) -> float:
    return float(occurring(values).mean())


def _size(pixels: UInt8Array) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
