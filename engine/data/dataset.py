"""Samples as a torch data set."""

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
"""An image and a mask, and a key point where one pixel of them must stay in sight -> the same, changed."""
Reader = Callable[[Sample], tuple[UInt8Array, UInt8Array]]
"""A sample -> its (H, W, 3) RGB image and its (H, W) mask of train ids."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (N, 3, H, W) uint8 and masks (N, H, W) uint8 of train ids."""


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

    An index may be a number, or a tuple of the parts of a `SampleRequest`.
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


def batches(loader: Any) -> Generator[Batch]:
    """The batches of a loader; its processes end when this is closed, but those that stay for the next time.

    Raises:
        InputError: where one of its files is bad.
    """
    for batch in loader:
        if isinstance(batch, InputError):
            del loader  # the traceback would keep it, and so its processes
            raise InputError(*batch.messages)  # `batch` itself and this frame would keep each other
        yield batch
