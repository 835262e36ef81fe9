"""Samples as a torch data set, and the handling of damaged files in loading processes."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate
from torchvision import tv_tensors

from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.data.sampler import SampleRequest, seeded
from engine.errors import InputError
from engine.files.images import read_image

Transform = Callable[..., tuple[torch.Tensor, ...]]
"""Augmentation: image and mask, and optionally a key point that must stay visible -> the same, augmented."""
Reader = Callable[[Sample], tuple[UInt8Array, UInt8Array]]
"""Reader of samples: a sample -> its (H, W, 3) uint8 RGB image and its (H, W) uint8 mask of train ids."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Batch: images (N, 3, H, W) uint8 and masks (N, H, W) uint8 of train ids."""


@dataclass(frozen=True)
class FileReader:
    """Reads samples from image and mask files."""

    read_mask: Callable[[Path], UInt8Array]
    """Reads the (H, W) uint8 train ids of a mask file."""

    def __call__(self, sample: Sample) -> tuple[UInt8Array, UInt8Array]:
        """Read the (H, W, 3) image and the (H, W) mask of a sample."""
        if sample.mask is None:
            raise InputError(f"{sample.image}: this split has no masks, which training and scoring need")
        return read_image(sample.image), self.read_mask(sample.mask)


class SegmentationDataset(Dataset[Batch]):
    """Samples as (3, H, W) uint8 images and (H, W) uint8 masks, after the transform.

    An index is the number of a sample, or a `SampleRequest` or the tuple of its fields.
    """

    def __init__(self, samples: Sequence[Sample], reader: Reader, transform: Transform | None = None) -> None:
        self.samples, self.reader, self.transform = samples, reader, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int | tuple[int, int] | SampleRequest) -> Batch:
        request = SampleRequest(*index) if isinstance(index, tuple) else SampleRequest(index)
        pixels, ids = self.reader(self.samples[request.sample])
        parts = [tv_tensors.Image(as_tensor(pixels).permute(2, 0, 1)), tv_tensors.Mask(as_tensor(ids))]
        if self.transform is None:
            return parts[0], parts[1]
        if request.pixel is not None:
            row, column = request.pixel
            parts.append(tv_tensors.KeyPoints([[column, row]], canvas_size=ids.shape))
        if request.seed is None:
            image, mask, *_ = self.transform(*parts)
            return image, mask
        with seeded(request.seed):
            image, mask, *_ = self.transform(*parts)
        return image, mask


def as_tensor(array: UInt8Array) -> torch.Tensor:
    """Tensor of an array, to be read only; it shares the memory of a writable array and copies a read-only one."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


class GuardedDataset(Dataset[Any]):
    """Data set that returns errors of damaged files as values.

    `DataLoader` rewrites exceptions that are raised in its processes. Therefore errors travel as values, in four steps:
    the reader raises, `GuardedDataset` returns, `collate` merges the errors of a batch, and `batches` raises.
    """

    def __init__(self, dataset: Dataset[Batch]) -> None:
        self.dataset = dataset

    def __getitem__(self, index: Any) -> Batch | InputError:
        try:
            return self.dataset[index]
        except InputError as error:
            return error


def collate(items: list[Batch | InputError]) -> Batch | InputError:
    """Stack samples into a batch, or merge the errors of a batch into one."""
    messages = [message for item in items if isinstance(item, InputError) for message in item.messages]
    if messages:
        return InputError(*messages)
    batch: Batch = tuple(default_collate(items))
    return batch


def batches(loader: Any) -> Generator[Batch]:
    """Yield the batches of a loader; closing the generator ends the loader's processes unless they are persistent.

    Raises:
        InputError: at a batch with damaged files.
    """
    for batch in loader:
        if isinstance(batch, InputError):
            del loader  # the traceback would keep the loader alive, and with it its processes
            raise InputError(*batch.messages)  # raising `batch` itself would make a reference cycle with this frame
        yield batch
