"""Signals that ask a training to stop: from `kill`, from a scheduler whose time limit is near."""

import signal
from types import FrameType, TracebackType
from typing import Self

import torch
from lightning_fabric import Fabric

from engine.dataset import STOPS
from engine.evaluation import all_sum

_EVERY = 20
"""Several processes agree on stopping once in so many steps."""


class Interruption:
    """While it is open, signals to stop are noted rather than obeyed at once."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._noted = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in STOPS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it was got from the same function

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = number

    def asked(self, step: int) -> int:
        """The number of the signal that any process got, 0 for none; all processes get the same answer."""
        if self._fabric.world_size == 1:
            return self._noted
        if step % _EVERY:
            return 0
        noted = torch.tensor(self._noted, device=self._fabric.device)
        return int(all_sum(self._fabric, noted).item()) // max(1, int(all_sum(self._fabric, (noted > 0).long()).item()))
