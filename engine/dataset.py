"""The contract of a benchmark, and its samples as a torch data set."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler, default_collate
from torchvision import tv_tensors

from engine.class_index import ClassIndex, Spot
from engine.faults import InputError
from engine.images import UInt8Array, image_size, read_ids, read_image
from engine.labels import ClassTable
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


class Draw(NamedTuple):
    """One sample for one place in a batch."""

    number: int
    """Of the sample."""
    seed: int | None = None
    """All that is random about the sample follows from it, whichever process draws it."""
    spot: Spot | None = None
    """A pixel that the crop must show; any crop will do without."""


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


class EpochSampler(Sampler[list[Draw]]):
    """The batches of one process in one epoch, as a function of the seed and the epoch alone.

    Every sample comes once; to fill the last batch, the first ones come again. Nothing here has a state, so
    training can go on from any epoch, and the processes of a job share out each batch without talking.

    Args:
        length: number of samples.
        batch_size: of each process.
        seed: of the run.
        rank: of this process.
        world_size: number of processes.
        index: where the classes lie in the samples, for class-uniform crops.
        class_uniform: the share of samples, from 0 to 1, in whose place comes a crop over a pixel of a class
            that is drawn from all classes alike.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        index: ClassIndex | None = None,
        class_uniform: float = 0.0,
    ) -> None:
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.index, self.class_uniform = index, class_uniform
        self.epoch = 0
        self.start = 0
        """How many batches of the epoch to leave out: they were trained on before an interruption."""
        self._order: list[int] = []
        self._order_of = (-1, -1)

    def __len__(self) -> int:
        return math.ceil(self.length / (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self.start, len(self)):
            yield self.batch(step)

    def batch(self, step: int) -> list[Draw]:
        """The samples of one step of the epoch."""
        if self._order_of != (self.seed, self.epoch):
            random = torch.Generator().manual_seed(derive(self.seed, self.epoch))
            self._order = torch.randperm(self.length, generator=random).tolist()
            self._order_of = (self.seed, self.epoch)
        size = self.batch_size * self.world_size
        places = range(step * size + self.rank, (step + 1) * size, self.world_size)
        return [self._draw(place) for place in places]

    def _draw(self, place: int) -> Draw:
        """What comes at a place of the epoch, as all processes count them."""
        seed = derive(self.seed, self.epoch, place)
        if self.index is not None and derive(seed, 1) < self.class_uniform * 2**63:
            number, spot = self.index.draw(derive(seed, 2))
            return Draw(number, seed, spot)
        return Draw(self._order[place % self.length], seed)


def derive(*numbers: int) -> int:
    """A seed that depends on all the numbers, their order included; the same on every machine."""
    seed = 0
    for number in numbers:
        # The mixing step of SplitMix64 (Steele, Lea and Flood 2014).
        seed = (seed ^ number) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        seed = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        seed = (seed ^ seed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        seed ^= seed >> 31
    return seed >> 1
