"""Memory budget of a prediction: image sizes that fit, found by trials."""

import math
from collections.abc import Callable
from functools import partial

import torch

from engine.arrays import Size
from engine.devices.memory import MemoryMeter, is_out_of_memory

_FIRST_TRIAL = 256 * 256
"""Pixels of the first trial, unless the image in question has fewer."""
_MAX_GROWTH = 4.0
"""Largest ratio of the pixels of one trial to those of the trial before."""
_MIN_GROWTH = 1.1
"""Smallest such ratio; a smaller step is not worth its time."""
_RESERVE = 0.95
"""Share of a budget that may be used, because the next prediction of a size may take a little more."""


class MemoryBudget:
    """A memory budget, and the image sizes that fit in it.

    It measures synthetic images of the same aspect ratio, each larger than the one before. No trial is larger than
    the budget would hold if all memory grew with the number of pixels. So no trial takes much more than the budget, in
    whatever steps a network's memory grows, and no size counts as fitting without a trial.

    Args:
        device: device of the network.
        run: the prediction to measure, (1, 3, H, W) uint8 on the device -> any result.
        release: frees the memory that `run` keeps for its next call; otherwise a trial would count leftovers.
        mib: MiB that may be taken in addition to what is taken now.
    """

    def __init__(
        self,
        device: torch.device,
        run: Callable[[torch.Tensor], object],
        release: Callable[[], None],
        mib: float,
    ) -> None:
        self.mib = mib
        self._device, self._run, self._release = device, run, release
        self._meter = MemoryMeter(device)
        self._peaks: dict[Size, float] = {}
        self._refused: list[Size] = []

    @property
    def max_pixels(self) -> int:
        """Pixels of the largest image that is known to fit; 0 if none is."""
        return max((size.pixels for size in self._fitting), default=0)

    def peak(self, size: Size) -> float:
        """Peak memory of predicting an image of that size, in MiB; infinity if memory runs out."""
        if size not in self._peaks:
            zeros = torch.zeros(1, *size, 3, dtype=torch.uint8, device=self._device)
            image = zeros.permute(0, 3, 1, 2)  # channels_last memory, like a decoded image
            try:
                self._peaks[size] = self._meter.peak(partial(self._run, image))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._peaks[size] = math.inf
            self._release()
        return self._peaks[size]

    def fits(self, size: Size) -> bool:
        """Whether an image of that size fits in the budget; runs trials if that is not known yet."""
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
        """The next size to try on the way to `size`; None if that cannot be reached.

        Args:
            size: the image in question.
            too_many: pixels that did not fit, infinity if all trials fitted.
        """
        if not self._fitting:
            trial = size.with_at_most(_FIRST_TRIAL)
        else:
            largest = max(self._fitting, key=lambda fitting: fitting.pixels)
            room = _RESERVE * self.mib / max(self._peaks[largest], 1e-3)
            growth = min(_MAX_GROWTH, room, math.sqrt(too_many / largest.pixels))
            if growth < _MIN_GROWTH and size.pixels > largest.pixels:
                return None
            trial = size.with_at_most(max(1.0, growth) * largest.pixels)
        return None if trial in self._peaks else trial
