"""Signals that ask a training to stop: from `kill`, from a scheduler whose time limit is near."""

import signal
from types import FrameType, TracebackType
from typing import Self

import torch
from lightning_fabric import Fabric

from engine.devices.fabric import all_sum

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""SLURM sends the second before its time limit where a job asks for it (`#SBATCH --signal=USR1@120`)."""

AGREE_EVERY_STEPS = 20
"""Several processes agree on stopping once in so many steps."""
AGREE_EVERY_IMAGES = 4
"""Or images of a validation, each of which may take as long as a step."""


def ignore_signals_in_worker(worker: int) -> None:
    """Make a process that loads files ignore the signals, which schedulers send to all processes of a job.

    The training ends it when it has saved; by another SIGTERM if need be, as the library does.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))


class Interruption:
    """While it is open, signals to stop are noted rather than obeyed at once."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._noted = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it was got from the same function

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = number

    def requested_signal(self, step: int, every: int = AGREE_EVERY_STEPS) -> int:
        """The number of the signal that any process got, 0 for none; all processes get the same answer.

        Args:
            step: counts the calls, alike in all processes.
            every: several processes agree once in so many steps.
        """
        if self._fabric.world_size == 1:
            return self._noted
        if step % every:
            return 0
        noted = torch.tensor([self._noted, self._noted > 0], device=self._fabric.device)
        total, processes = all_sum(self._fabric, noted).tolist()
        return int(total // max(1, processes))
