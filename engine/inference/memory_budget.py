"""Which images fit in a budget of memory, found by trying."""

import math
from collections.abc import Callable
from functools import partial

import torch

from engine.arrays import Size
from engine.devices.memory import MemoryMeter, is_out_of_memory

_FIRST_TRIAL = 256 * 256
"""Pixels of the first image that is tried, unless the one that is asked about has fewer."""
_MOST_GROWTH = 4.0
"""How many times as large the next one may be."""
_LEAST_GROWTH = 1.1
"""A smaller step is not worth its time."""
_RESERVE = 0.95
"""Share of a budget that is planned with, as the next time may take a little more."""


class MemoryBudget:
    """Tells which images fit in a budget, from made-up ones of the same shape that grow as far as it allows.

    The next one that is tried is no larger than the budget would hold if all memory grew with the pixels; so none
    takes much more, in whatever steps a network's memory grows, and nothing is extrapolated.

    Args:
        device: where the network is.
        run: what takes the memory: (1, 3, H, W) uint8 on the device -> anything.
        release: lets go of what `run` keeps for the next time, or a size would be measured with what another left.
        budget: MiB that may be taken beyond what is taken now.
    """

    def __init__(
        self,
        device: torch.device,
        run: Callable[[torch.Tensor], object],
        release: Callable[[], None],
        budget: float,
    ) -> None:
        self.mib = budget
        self._device, self._run, self._release = device, run, release
        self._meter = MemoryMeter(device)
        self._peaks: dict[Size, float] = {}
        self._refused: list[Size] = []

    @property
    def max_pixels(self) -> int:
        """Those of the largest image that is known to fit; 0 if none is."""
        return max((size.pixels for size in self._fitting), default=0)

    def peak(self, size: Size) -> float:
        """MiB that looking at an image of a size takes at most; infinity if memory runs out."""
        if size not in self._peaks:
            zeros = torch.zeros(1, *size, 3, dtype=torch.uint8, device=self._device)
            image = zeros.permute(0, 3, 1, 2)  # channels together in memory, as a decoded image has them
            try:
                self._peaks[size] = self._meter.peak(partial(self._run, image))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._peaks[size] = math.inf
            self._release()
        return self._peaks[size]

    def fits(self, size: Size) -> bool:
        """Whether an image of a size fits in the budget."""
        if any(other.holds(size) for other in self._fitting):
            return True
        if any(size.holds(other) for other in self._refused):
            return False
        too_many = math.inf
        while (trial := self._next_trial(size, too_many)) is not None:
            if self.peak(trial) > _RESERVE * self.mib:
                too_many = trial.pixels
            elif trial == size:
                return True
        self._refused.append(size)
        return False

    @property
    def _fitting(self) -> list[Size]:
        return [size for size, taken in self._peaks.items() if taken <= _RESERVE * self.mib]

    def _next_trial(self, size: Size, too_many: float) -> Size | None:
        """What to try on the way to a size, where so many pixels are too many; None if it is not to be reached."""
        if not self._fitting:
            trial = size.with_at_most(_FIRST_TRIAL)
        else:
            largest = max(self._fitting, key=lambda fitting: fitting.pixels)
            room = _RESERVE * self.mib / max(self._peaks[largest], 1e-3)
            growth = min(_MOST_GROWTH, room, math.sqrt(too_many / largest.pixels))
            if growth < _LEAST_GROWTH and size.pixels > largest.pixels:
                return None
            trial = size.with_at_most(max(1.0, growth) * largest.pixels)
        return None if trial in self._peaks else trial
