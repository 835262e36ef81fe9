"""Where the batches of a training come from."""

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
from engine.training.signals import ignore_signals_in_worker


class BatchSource(Protocol):
    """Gives a training its batches, in all epochs that are left."""

    samples: Sequence[Sample]
    """That are trained on."""
    sampler: EpochSampler
    """Says which samples a step has; its epoch and start are where training begins or resumes."""

    def stream(self, epochs: int) -> Generator[tuple[torch.Tensor, ...]]:
        """What each step takes to the device, one step after the other, up to the end of the last epoch.

        It must be closed: then the processes end that load.

        Raises:
            InputError: at a step with a damaged file.
        """

    def prepare(self, *parts: torch.Tensor) -> Batch:
        """Images (N, 3, S, S), 0 to 255, and masks (N, S, S) of uint8 train ids, from a step's parts on the device.

        Nothing in it waits for the device, so it can be part of a CUDA graph.
        """


class RemainingEpochs:
    """The batches of a sampler from where it stands to the end of the last epoch, as a `batch_sampler` of a loader.

    One stream over all epochs, so that loading processes continue with the next epoch while one is validated.
    """

    def __init__(self, sampler: EpochSampler, epochs: int) -> None:
        self._sampler, self._epochs = sampler, epochs

    def __iter__(self) -> Iterator[list[SampleRequest]]:
        ahead = copy.copy(self._sampler)  # which runs ahead of the training's own
        for epoch in range(self._sampler.epoch, self._epochs + 1):
            ahead.epoch = epoch
            yield from ahead
            ahead.start = 0


class FileBatches:
    """Batches that processes read from files and augment.

    Args:
        samples: to train on.
        reader: of them.
        sampler: of the epochs.
        augmentation: a name of `AUGMENTATIONS`.
        crop_size: side of the crops in pixels.
        void: the train id of what lies outside an image.
        workers: processes that read.
        pinned: whether batches go to a GPU.
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
        """Images (N, 3, S, S) and masks (N, S, S), uint8, in the memory of the host."""
        return batches(_loader(self._dataset, self.sampler, epochs, collate, self._workers, pinned=self._pinned))

    def prepare(self, *parts: torch.Tensor) -> Batch:
        """As they are."""
        images, masks = parts
        return images, masks


class ResidentBatches:
    """Batches that the device itself makes from samples that it holds; processes only draw the random numbers.

    Args:
        samples: to train on.
        data: the same samples on the device.
        sampler: of the epochs.
        augmentation: of the samples, on the device.
        workers: processes that draw.
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
        """What was drawn for a step, (N, columns) float32, in the memory of the host."""
        rows = ParameterRows(self._data.sizes, self._augmentation)
        pinned = self._data.images.device.type == "cuda"
        for drawn in _loader(rows, self.sampler, epochs, collate_rows, self._workers, pinned=pinned):
            yield (drawn,)

    def prepare(self, *parts: torch.Tensor) -> Batch:
        """Make the crops."""
        return self._augmentation(self._data.images, self._data.masks, *parts)


def _loader(
    dataset: Any, sampler: EpochSampler, epochs: int, collating: Any, workers: int, *, pinned: bool
) -> "DataLoader[Any]":
    """A loader over all epochs that are left; its processes leave signals to the training."""
    return DataLoader(
        dataset,
        batch_sampler=RemainingEpochs(sampler, epochs),
        collate_fn=collating,
        num_workers=workers,
        worker_init_fn=ignore_signals_in_worker,
        pin_memory=pinned,
    )
