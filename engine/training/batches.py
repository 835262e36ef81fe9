"""Sources of training batches: files, or samples that are resident on the device."""

import copy
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader

from engine.benchmark import Sample
from engine.data.dataset import Batch, GuardedDataset, Reader, SegmentationDataset, batches, collate
from engine.data.device_augmentation import DeviceAugmentation
from engine.data.resident import ParameterRows, ResidentData, collate_rows
from engine.data.sampler import EpochSampler, SampleRequest
from engine.data.transforms import AUGMENTATIONS
from engine.training.signals import set_up_worker


class BatchSource(Protocol):
    """Source of the batches of all remaining epochs."""

    samples: Sequence[Sample]
    """Samples of the training split."""
    sampler: EpochSampler
    """Sampler of the samples of each step; its epoch and start say where training starts or resumes."""

    def stream(self, epochs: int) -> Generator[tuple[torch.Tensor, ...]]:
        """Yield the host tensors of one step after another, up to the end of the last epoch.

        The generator must be closed, which ends the data-loading processes.

        Raises:
            InputError: at a step with a damaged file.
        """

    def prepare(self, *parts: torch.Tensor) -> Batch:
        """Make images (N, 3, S, S), 0 to 255, and masks (N, S, S), uint8 train ids, from the tensors of a step.

        The tensors are on the device. It never synchronises with the host, so it can be part of a CUDA graph.
        """


class RemainingEpochs:
    """Batches of a sampler from its current position to the end of the last epoch, for `DataLoader(batch_sampler=...)`.

    All epochs are one stream, so that loading processes continue with the next epoch during a validation.
    """

    def __init__(self, sampler: EpochSampler, epochs: int) -> None:
        self._sampler, self._epochs = sampler, epochs

    def __iter__(self) -> Iterator[list[SampleRequest]]:
        ahead = copy.copy(self._sampler)  # loading runs ahead of the training's sampler
        for epoch in range(self._sampler.epoch, self._epochs + 1):
            ahead.epoch = epoch
            yield from ahead
            ahead.start = 0


class FileBatches:
    """Batches that data-loading processes read from files and augment.

    Args:
        samples: samples to train on.
        reader: reader of the samples.
        sampler: sampler of the epochs.
        augmentation: name of one of `AUGMENTATIONS`.
        crop_size: side of the crops in pixels.
        void: train id of the area outside an image.
        workers: number of data-loading processes.
        pinned: use pinned host memory, for batches that go to a GPU.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        reader: Reader,
        sampler: EpochSampler,
        augmentation: str,
        *,
        crop_size: int,
        void: int,
        workers: int,
        pinned: bool,
    ) -> None:
        self.samples, self.sampler = samples, sampler
        augment = AUGMENTATIONS[augmentation](crop_size, void)
        self._dataset = GuardedDataset(SegmentationDataset(samples, reader, augment))
        self._workers, self._pinned = workers, pinned

    def stream(self, epochs: int) -> Generator[Batch]:
        """Yield images (N, 3, S, S) and masks (N, S, S), uint8, in host memory."""
        return batches(_loader(self._dataset, self.sampler, epochs, collate, self._workers, pinned=self._pinned))

    def prepare(self, *parts: torch.Tensor) -> Batch:
        """Return images and masks unchanged; they were augmented when they were loaded."""
        images, masks = parts
        return images, masks


class ResidentBatches:
    """Batches that the device makes from resident samples; data-loading processes only draw random parameters.

    Args:
        samples: samples to train on.
        data: the same samples on the device.
        sampler: sampler of the epochs.
        augmentation: augmentation on the device.
        workers: number of processes that draw random parameters.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        data: ResidentData,
        sampler: EpochSampler,
        augmentation: DeviceAugmentation,
        *,
        workers: int,
    ) -> None:
        self.samples, self.sampler = samples, sampler
        self._data, self._augmentation, self._workers = data, augmentation, workers

    def stream(self, epochs: int) -> Generator[tuple[torch.Tensor]]:
        """Yield the augmentation parameters of each step, (N, 21) float32, in host memory."""
        rows = ParameterRows(self._data.sizes, self._augmentation)
        pinned = self._data.images.device.type == "cuda"
        for parameters in _loader(rows, self.sampler, epochs, collate_rows, self._workers, pinned=pinned):
            yield (parameters,)

    def prepare(self, *parts: torch.Tensor) -> Batch:
        """Make the crops on the device."""
        return self._augmentation(self._data.images, self._data.masks, *parts)


def _loader(
    dataset: Any, sampler: EpochSampler, epochs: int, collate_fn: Any, workers: int, *, pinned: bool
) -> "DataLoader[Any]":
    """Loader over all remaining epochs; its processes ignore the signals that stop a training."""
    return DataLoader(
        dataset,
        batch_sampler=RemainingEpochs(sampler, epochs),
        collate_fn=collate_fn,
        num_workers=workers,
        worker_init_fn=set_up_worker,
        pin_memory=pinned,
    )
