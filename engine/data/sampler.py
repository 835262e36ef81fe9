"""Which samples come when, and what is random about each: functions of the seed, the epoch and the place in it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.utils.data import Sampler

from engine.data.class_index import ClassIndex, Pixel


class SampleRequest(NamedTuple):
    """One sample for one place in a batch."""

    sample: int
    """Index of the sample in the data set."""
    seed: int | None = None
    """All that is random about the sample follows from it, whichever process draws it."""
    pixel: Pixel | None = None
    """A pixel that the crop must show; any crop will do without."""


class EpochSampler(Sampler[list[SampleRequest]]):
    """The batches of one process in one epoch, as a function of the seed and the epoch alone.

    Every sample comes once; to fill the last batch, the first ones come again. Nothing here has a state, so
    training can resume from any epoch, and the processes of a job share out each batch without talking.

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

    def __iter__(self) -> Iterator[list[SampleRequest]]:
        for step in range(self.start, len(self)):
            yield self.batch(step)

    def batch(self, step: int) -> list[SampleRequest]:
        """The samples of one step of the epoch."""
        if self._order_of != (self.seed, self.epoch):
            random = torch.Generator().manual_seed(derive(self.seed, self.epoch))
            self._order = torch.randperm(self.length, generator=random).tolist()
            self._order_of = (self.seed, self.epoch)
        size = self.batch_size * self.world_size
        places = range(step * size + self.rank, (step + 1) * size, self.world_size)
        return [self._draw(place) for place in places]

    def _draw(self, place: int) -> SampleRequest:
        """What comes at a place of the epoch, as all processes count them."""
        seed = derive(self.seed, self.epoch, place)
        if self.index is not None and derive(seed, 1) < self.class_uniform * 2**63:
            number, pixel = self.index.draw(derive(seed, 2))
            return SampleRequest(number, seed, pixel)
        return SampleRequest(self._order[place % self.length], seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch's default generator draw from a seed; afterwards it is as it was before.

    `torch.manual_seed` would also seed the GPUs. Where CUDA is not initialised it notes that, with a stack trace, for
    later, which takes up to a millisecond a sample.
    """
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


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
