"""Stateless sampling: the order of samples and the seed of each are functions of seed, epoch and position."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.utils.data import Sampler

from engine.data.class_index import ClassIndex, Pixel


class SampleRequest(NamedTuple):
    """Request for one sample of a batch."""

    sample: int
    """Index of the sample in the data set."""
    seed: int | None = None
    """Seed of the augmentation of the sample; None draws from the current random state."""
    pixel: Pixel | None = None
    """Row and column of a pixel that the crop must contain, None for any crop."""


class EpochSampler(Sampler[list[SampleRequest]]):
    """Batches of one process in one epoch, as a function of the seed and the epoch alone.

    Every sample occurs once; the last batch is filled with the first samples. The sampler has no random state, so
    training can resume in any epoch, and the processes of a job share each batch without communication.

    Args:
        length: number of samples.
        batch_size: batch size of each process.
        seed: seed of the run.
        rank: rank of this process.
        world_size: number of processes.
        index: positions of the classes in the samples, for class-uniform sampling.
        class_uniform: share of samples, 0 to 1, that are replaced by crops with a pixel of a class that is drawn
            uniformly from all classes.
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
        """Number of batches of the epoch to skip, because they were trained on before an interruption."""
        self._order: list[int] = []
        self._order_of = (-1, -1)

    def __len__(self) -> int:
        return math.ceil(self.length / (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[SampleRequest]]:
        for step in range(self.start, len(self)):
            yield self.batch(step)

    def batch(self, step: int) -> list[SampleRequest]:
        """Sample requests of this process in one step of the epoch."""
        if self._order_of != (self.seed, self.epoch):
            random = torch.Generator().manual_seed(derive(self.seed, self.epoch))
            self._order = torch.randperm(self.length, generator=random).tolist()
            self._order_of = (self.seed, self.epoch)
        size = self.batch_size * self.world_size
        positions = range(step * size + self.rank, (step + 1) * size, self.world_size)
        return [self._request(position) for position in positions]

    def _request(self, position: int) -> SampleRequest:
        """Sample request at a position of the epoch, counted over all processes."""
        seed = derive(self.seed, self.epoch, position)
        if self.index is not None and derive(seed, 1) < self.class_uniform * 2**63:
            number, pixel = self.index.draw(derive(seed, 2))
            return SampleRequest(number, seed, pixel)
        return SampleRequest(self._order[position % self.length], seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's default random generator within the context, and restore its state afterwards.

    `torch.manual_seed` would also seed the GPUs. If CUDA is not initialised, it records the call with a stack trace
    for later, which takes up to a millisecond per sample.
    """
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


def derive(*numbers: int) -> int:
    """Derive a seed of 63 bits from all the numbers and their order; it is the same on every machine."""
    seed = 0
    for number in numbers:
        # The mixing step of SplitMix64 (Steele, Lea and Flood 2014).
        seed = (seed ^ number) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        seed = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        seed = (seed ^ seed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        seed ^= seed >> 31
    return seed >> 1
