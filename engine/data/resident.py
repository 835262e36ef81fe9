"""Resident data: decoded samples that stay on the device during the whole training."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from engine import parallel
from engine.arrays import UInt8Array
from engine.benchmark import Sample
from engine.data.dataset import Batch, Reader, as_tensor
from engine.data.device_augmentation import DeviceAugmentation, ParameterRow
from engine.data.sampler import SampleRequest
from engine.errors import InputError
from engine.files.images import image_size

Size = tuple[int, int]
"""Height and width of an image in pixels."""

_BYTES_PER_PIXEL = 4
"""Bytes of a pixel on the device: RGB and a train id."""
_MAX_SHARE = 0.4
"""Largest share of the device memory for samples; activations and the optimiser need the rest."""


class ResidentData:
    """All images and masks of a split, as uint8 on a device.

    Args:
        images: (M, 3, H, W) uint8; smaller images are padded with 0 on the right and at the bottom.
        masks: (M, H, W) uint8 train ids, padded with void.
        sizes: height and width of each sample in pixels, without padding.
    """

    def __init__(self, images: torch.Tensor, masks: torch.Tensor, sizes: Sequence[Size]) -> None:
        self.images, self.masks, self.sizes = images, masks, sizes

    @classmethod
    def fill(
        cls,
        samples: Sequence[Sample],
        reader: Reader,
        device: torch.device,
        *,
        void: int,
        workers: int,
        title: str = "load",
    ) -> Self:
        """Decode samples onto a device, with a progress bar; only a few of them are in host memory at a time.

        Args:
            samples: samples to decode.
            reader: reader of the samples; several threads call it at once.
            device: device that keeps them.
            void: train id of the padding.
            workers: number of threads that decode.
            title: title of the progress bar.

        Raises:
            InputError: with every file that cannot be read, and every mask whose size differs from that of its image.
        """
        sizes = image_sizes(samples)
        height, width = _largest(sizes)
        images = torch.zeros(len(samples), 3, height, width, dtype=torch.uint8, device=device)
        masks = torch.full((len(samples), height, width), void, dtype=torch.uint8, device=device)
        messages: list[str] = []

        def read(number: int) -> tuple[UInt8Array, UInt8Array]:
            return _read(reader, samples[number], sizes[number])

        with ThreadPoolExecutor(max(1, workers)) as pool:
            done = parallel.prefetch(pool, read, range(len(samples)), depth=2 * workers)
            for number, content in tqdm(done, title, total=len(samples), disable=None, leave=False):
                if isinstance(content, InputError):
                    messages += content.messages
                    continue
                (down, across), (pixels, ids) = sizes[number], content
                images[number, :, :down, :across] = as_tensor(pixels).to(device).permute(2, 0, 1)
                masks[number, :down, :across] = as_tensor(ids).to(device)
        if messages:
            raise InputError(*messages)
        return cls(images, masks, sizes)

    def item(self, number: int) -> Batch:
        """One sample without padding as a batch: (1, 3, H, W) and (1, H, W) uint8 views of the resident data."""
        height, width = self.sizes[number]
        return self.images[number, None, :, :height, :width], self.masks[number, None, :height, :width]

    def items(self) -> Iterator[Batch]:
        """Iterate over all samples."""
        return (self.item(number) for number in range(len(self.sizes)))


class ParameterRows(Dataset[ParameterRow]):
    """Data set of random crop parameters in place of samples; the device makes the crops from them.

    An index is a `SampleRequest` with a seed, or the tuple of its parts. `collate_rows` stacks the rows of a batch.
    """

    def __init__(self, sizes: Sequence[Size], augmentation: DeviceAugmentation) -> None:
        self.sizes, self.augmentation = sizes, augmentation

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: tuple[Any, ...]) -> ParameterRow:
        request = SampleRequest(*index)
        if request.seed is None:
            raise ValueError(f"got {request} without a seed, expected a seed, which determines the parameters")
        return self.augmentation.draw(request.sample, *self.sizes[request.sample], request.seed, request.pixel)


def collate_rows(rows: list[ParameterRow]) -> torch.Tensor:
    """Stack parameter rows to (N, 21) float32."""
    return torch.from_numpy(np.stack(rows))


def image_sizes(samples: Sequence[Sample]) -> list[Size]:
    """Height and width of every image, read from the file headers.

    Raises:
        InputError: with every file that cannot be read.
    """
    sizes: list[Size] = []
    messages: list[str] = []
    for sample in samples:
        try:
            width, height = image_size(sample.image)
            sizes.append((height, width))
        except InputError as error:
            messages += error.messages
    if messages:
        raise InputError(*messages)
    return sizes


def bytes_needed(samples: Sequence[Sample]) -> int:
    """Memory of the samples on a device in bytes; each is padded to the largest height and width."""
    height, width = _largest(image_sizes(samples))
    return len(samples) * height * width * _BYTES_PER_PIXEL


def fits_on_device(samples: Sequence[Sample], device: torch.device) -> bool:
    """Whether the device is a GPU and the samples take at most 40 % of its memory.

    This depends on the GPU and the images, not on the memory in use, so that a resumed run makes the same decision.
    """
    if device.type != "cuda":
        return False
    _, total = torch.cuda.mem_get_info(device)
    return bytes_needed(samples) <= _MAX_SHARE * total


def _largest(sizes: Sequence[Size]) -> Size:
    return max((height for height, _ in sizes), default=0), max((width for _, width in sizes), default=0)


def _read(reader: Reader, sample: Sample, size: Size) -> tuple[UInt8Array, UInt8Array]:
    """Read a sample, and check that image and mask have the size in the header of the image."""
    image, mask = reader(sample)
    for path, found in ((sample.image, image.shape[:2]), (sample.mask, mask.shape)):
        if found != size:
            raise InputError(
                f"{path}: {found[1]} x {found[0]} pixels, expected {size[1]} x {size[0]}; an image and its mask must "
                "have the same size, so take both from the same release of the data"
            )
    return image, mask
