"""The contract of a benchmark, and its samples as a torch data set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate
from torchvision import tv_tensors

from engine.faults import InputError
from engine.images import UInt8Array, image_size, read_ids, read_image
from engine.labels import ClassTable
from engine.sampler import Draw
from engine.samples import Sample as Sample  # noqa: PLC0414  # also to be had from here

Transform = Callable[..., tuple[torch.Tensor, ...]]
"""An image and a mask, and a key point where one pixel of them must stay in sight -> the same, changed."""
Reader = Callable[["Sample"], tuple[UInt8Array, UInt8Array]]
"""A sample -> its (H, W, 3) RGB image and its (H, W) mask of train ids."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (N, 3, H, W) uint8 and masks (N, H, W) uint8 of train ids."""


class Benchmark(ABC):
    """What a benchmark tells the engine about itself."""

    name: str
    classes: ClassTable
    splits: tuple[str, ...]
    hidden_splits: tuple[str, ...] = ()
    """Those whose ground truth only a server has: they are packed for it rather than scored."""
    training_splits: tuple[str, ...] = ()
    """More of them, to train with only: their masks are rough, or not those that scores are made with."""
    prediction_ids: UInt8Array
    """(256,) the pixel value that a prediction file holds for each train id."""
    prediction_suffix: str
    """What follows a sample's name in the file name of its prediction."""
    prediction_colors: UInt8Array
    """(256, 3) RGB of each such pixel value."""
    archive_name: str = "submission.zip"
    """The name that `pack` gets for its archive; the ending says which format the server takes."""
    confidence_class: int | None = None
    """If set, prediction files hold this class's probability, 0 to 255, in place of ids."""

    @abstractmethod
    def samples(self, root: Path, split: str) -> list[Sample]:
        """The samples of a split, in a fixed order.

        Raises:
            InputError: if there is none, or if masks that the split should have are missing.
        """

    def read_mask(self, path: Path) -> UInt8Array:
        """The (H, W) train ids in a mask file."""
        return read_ids(path).astype(np.uint8, copy=False)

    def mask_size(self, path: Path) -> tuple[int, int]:
        """Width and height of a mask file, without reading all of it."""
        return image_size(path)

    @abstractmethod
    def score(self, predictions: Path, root: Path, split: str, workers: int) -> tuple[dict[str, Any], str]:
        """The benchmark's own scores of a folder of predictions: as JSON content, and as a table to print."""

    @abstractmethod
    def pack(self, predictions: Path, archive: Path, root: Path, workers: int) -> str:
        """Check a folder of test predictions, write the archive to upload, and say what was packed.

        Raises:
            InputError: with every fault, if the server would not accept it.
        """


def require_equal_sizes(benchmark: Benchmark, samples: Sequence[Sample]) -> None:
    """Compare the sizes of images and masks, from the file headers alone.

    Raises:
        InputError: with every pair that differs and every file that is no image.
    """
    faults = []
    for sample in samples:
        try:
            if sample.mask is None:
                continue
            found, size = benchmark.mask_size(sample.mask), image_size(sample.image)
            if found != size:
                faults.append(
                    f"{sample.mask}: the mask is {found[0]} x {found[1]}, its image {size[0]} x {size[1]}; "
                    "unpack both again from the same source, or draw the masks again from these images' annotations"
                )
        except InputError as error:
            faults.extend(error.messages)
    if faults:
        raise InputError(*faults)


@dataclass(frozen=True)
class FileReader:
    """Reads samples from their files."""

    read_mask: Callable[[Path], UInt8Array]

    def __call__(self, sample: Sample) -> tuple[UInt8Array, UInt8Array]:
        """The (H, W, 3) image and the (H, W) mask."""
        if sample.mask is None:
            raise InputError(f"{sample.image}: this split has no masks to train on or to score against")
        return read_image(sample.image), self.read_mask(sample.mask)


class SegmentationDataset(Dataset[Batch]):
    """Samples as (3, H, W) uint8 images and (H, W) uint8 masks, after the transform.

    An index may be a number, or a tuple of the parts of a `Draw`.
    """

    def __init__(self, samples: Sequence[Sample], reader: Reader, transform: Transform | None = None) -> None:
        self.samples, self.reader, self.transform = samples, reader, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int | tuple[int, int] | Draw) -> Batch:
        draw = Draw(*index) if isinstance(index, tuple) else Draw(index)
        pixels, ids = self.reader(self.samples[draw.number])
        parts = [tv_tensors.Image(_tensor(pixels).permute(2, 0, 1)), tv_tensors.Mask(_tensor(ids))]
        if self.transform is None:
            return parts[0], parts[1]
        if draw.spot is not None:
            row, column = draw.spot
            parts.append(tv_tensors.KeyPoints([[column, row]], canvas_size=ids.shape))
        if draw.seed is None:
            image, mask, *_ = self.transform(*parts)
            return image, mask
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw.seed)
            image, mask, *_ = self.transform(*parts)
        return image, mask


def _tensor(array: UInt8Array) -> torch.Tensor:
    """The array as a tensor on the same memory where that may be written to; it is not."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


class GuardedDataset(Dataset[Any]):
    """Gives bad files back as errors rather than raising them, as the loader's workers garble what is raised."""

    def __init__(self, dataset: Dataset[Batch]) -> None:
        self.dataset = dataset

    def __getitem__(self, index: Any) -> Batch | InputError:
        try:
            return self.dataset[index]
        except InputError as error:
            return error


def collate(items: list[Batch | InputError]) -> Batch | InputError:
    """Stack samples to a batch, or pass on their errors as one."""
    faults = [message for item in items if isinstance(item, InputError) for message in item.messages]
    if faults:
        return InputError(*faults)
    batch: Batch = tuple(default_collate(items))
    return batch


def batches(loader: Any) -> Iterator[Batch]:
    """The batches of a loader.

    Raises:
        InputError: where one of its files is bad.
    """
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch
