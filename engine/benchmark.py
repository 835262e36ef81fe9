"""The contract of a benchmark: its classes, its samples, its masks, its scores and its archive."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from engine.arrays import IdArray, UInt8Array
from engine.errors import InputError
from engine.files.images import image_size, read_ids


@dataclass(frozen=True)
class ClassTable:
    """The classes that are trained and scored, in the order of their train ids."""

    names: tuple[str, ...]
    """Names of the classes."""
    colors: tuple[tuple[int, int, int], ...]
    """RGB colours of the classes, 0 to 255."""
    void: int = 255
    """Train id of pixels that belong to no class: they are neither trained on nor scored."""

    def __len__(self) -> int:
        return len(self.names)

    def colorize(self, mask: UInt8Array) -> UInt8Array:
        """Colour a (H, W) mask of train ids as (H, W, 3) RGB; ids of no class become black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self)] = self.colors
        return palette[mask]


@dataclass(frozen=True)
class Sample:
    """One image of a split, with its mask of train ids if it has one."""

    name: str
    """Path of the prediction without its suffix, for example `aachen/aachen_000000_000019`."""
    image: Path
    """Path of the image."""
    mask: Path | None
    """Path of the mask; None if the split has no masks."""


class Benchmark(ABC):
    """The contract that each benchmark fulfils; docs/networks.md says how to write one of your own."""

    name: str
    classes: ClassTable
    splits: tuple[str, ...]
    hidden_splits: tuple[str, ...] = ()
    """Splits whose ground truth only a server has: predictions are packed for it instead of being scored."""
    training_splits: tuple[str, ...] = ()
    """More splits, only for training: their masks are coarse, or not those that scores are computed with."""
    prediction_ids: UInt8Array
    """(256,) pixel value in a prediction file for each train id."""
    prediction_suffix: str
    """End of the file name of a prediction, after the name of the sample."""
    prediction_colors: UInt8Array
    """(256, 3) RGB colour of each pixel value in a prediction file."""
    archive_name: str = "submission.zip"
    """Name of the archive that `pack` writes; its suffix says which format the server takes."""
    terms: str = ""
    """Terms of use of the data, in a sentence or two for the model card of a training."""
    confidence_class: int | None = None
    """If set, prediction files hold the probability of this class, 0 to 255, instead of ids."""

    @abstractmethod
    def samples(self, root: Path, split: str) -> list[Sample]:
        """The samples of a split, in a fixed order.

        Raises:
            InputError: if the split has no samples, or if masks that it should have are missing.
        """

    def read_mask(self, path: Path) -> UInt8Array:
        """The (H, W) train ids in a mask file; benchmarks whose masks hold other values override this.

        Raises:
            InputError: if the file cannot be read, or holds an id that is neither a class nor void.
        """
        return self._checked(path, read_ids(path))

    @final
    def train_ids(self, path: Path) -> UInt8Array:
        """The ids from `read_mask`, always checked: training, evaluation and the class index read masks here."""
        return self._checked(path, self.read_mask(path))

    def _checked(self, path: Path, ids: IdArray) -> UInt8Array:
        """The ids as uint8, if each is a class or void."""
        number, void = len(self.classes), self.classes.void
        foreign = (ids >= number) & (ids != void)
        if foreign.any():
            found = np.unique(ids[foreign]).tolist()
            named = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
            raise InputError(
                f"{path}: id {named} on {np.count_nonzero(foreign)} pixels, expected 0 to {number - 1} or {void}; "
                f"draw or convert the mask again to the train ids of {self.name}, with {void} for pixels of no class"
            )
        return ids.astype(np.uint8, copy=False)

    def mask_size(self, path: Path) -> tuple[int, int]:
        """Width and height of a mask file, from its header alone."""
        return image_size(path)

    @abstractmethod
    def score(self, predictions: Path, root: Path, split: str, workers: int) -> tuple[dict[str, Any], str]:
        """The scores of a folder of predictions by the rules of the benchmark: as JSON content, and as a table."""

    @abstractmethod
    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> str:
        """Check a folder of test predictions, write the archive to upload, and return a line that describes it.

        Raises:
            InputError: with every fault, if the server would not accept the archive.
        """


def require_equal_sizes(benchmark: Benchmark, samples: Sequence[Sample]) -> int:
    """Compare the sizes of images and masks, from the file headers alone.

    Returns:
        The longest side of an image that has a mask, in pixels; 0 if no image has one.

    Raises:
        InputError: with every pair that differs and every file that is not an image.
    """
    faults, longest = [], 0
    for sample in samples:
        try:
            if sample.mask is None:
                continue
            found, size = benchmark.mask_size(sample.mask), image_size(sample.image)
            longest = max(longest, *size)
            if found != size:
                faults.append(
                    f"{sample.mask}: the mask is {found[0]} x {found[1]}, its image {size[0]} x {size[1]}; "
                    "unpack both again from the same source, or draw the masks again from these images' annotations"
                )
        except InputError as error:
            faults.extend(error.messages)
    if faults:
        raise InputError(*faults)
    return longest
