"""Signals that stop a training gracefully, sent by `kill` or by a scheduler shortly before its time limit."""

import signal
from types import FrameType, TracebackType
from typing import Self

import torch
from lightning_fabric import Fabric

from engine.devices.fabric import all_sum
from engine.parallel import end_with_parent

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""Signals that stop a training; SLURM sends SIGUSR1 before its time limit with `#SBATCH --signal=USR1@120`."""

AGREE_EVERY_STEPS = 20
"""Interval in steps at which several processes agree on stopping."""
AGREE_EVERY_IMAGES = 4
"""Interval in images of a validation; an image may take as long as a step."""


def set_up_worker(worker: int) -> None:
    """Set up a data-loading process; this is its `worker_init_fn`.

    It ends with the training, and ignores signals, because schedulers send them to all processes of a job. The training
    ends its loading processes after it has saved. PyTorch may do so by a second SIGTERM, which therefore ends the
    process as usual.
    """
    end_with_parent()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))


class Interruption:
    """Context in which signals to stop are recorded instead of ending the process."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._received = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # the value came from the same function

    def _record(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def requested_signal(self, step: int, every: int = AGREE_EVERY_STEPS) -> int:
        """Number of the signal that any process received, 0 for none; all processes get the same answer.

        Args:
            step: index of the call, the same in all processes.
            every: interval at which several processes agree; in between, the answer is 0.
        """
        if self._fabric.world_size == 1:
            return self._received
        if step % every:
            return 0
        received = torch.tensor([self._received, self._received > 0], device=self._fabric.device)
        total, processes = all_sum(self._fabric, received).tolist()
        return int(total // max(1, processes))
