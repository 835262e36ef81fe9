"""Small networks for tests of commands, which train them by `--network tests.networks:NAME`."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable

import torch
from torch import nn

from bench.tiny import Tiny

INTERRUPT = "INTERRUPT"
"""Environment variable for `interrupted`: the number of a signal, and the training step in which it is sent.

It is sent to the process group. A negative step means: at that image of a validation, to this process only.
"""


class Interrupted(Tiny):
    """Network with dropout that sends a signal during a step or a validation."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.dropout = nn.Dropout2d(0.2)
        self.steps = self.images = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, C, H, W) of images (N, 3, H, W)."""
        number, step = map(int, os.environ.get(INTERRUPT, "0 0").split())
        if self.training and torch.is_grad_enabled():
            self.steps += 1
            if self.steps == step:
                os.killpg(0, signal.Signals(number))
        elif images.any():  # not for the black images that a new network is tested with
            self.images += 1
            if self.images == -step:
                os.kill(os.getpid(), signal.Signals(number))
        scores: torch.Tensor = self.dropout(super().forward(images))
        return scores


def interrupted(num_classes: int) -> nn.Module:
    """Network that interrupts its own training, see `INTERRUPT`."""
    return Interrupted(num_classes)


class Failing(Tiny):
    """Network that calls `bad` in its third training step."""

    def __init__(self, num_classes: int, bad: Callable[[], None]) -> None:
        super().__init__(num_classes)
        self.bad, self.steps = bad, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, C, H, W) of images (N, 3, H, W)."""
        self.steps += self.training and torch.is_grad_enabled()
        if self.steps == 3:
            self.bad()
        return super().forward(images)


def _kill_a_worker() -> None:
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
    time.sleep(10)  # interrupted by the signal that a worker has ended


def _use_all_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore of it")


def _err() -> None:
    raise ZeroDivisionError


class FailingValidation(Tiny):
    """Network with a bug that the first image of a validation triggers."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, C, H, W) of images (N, 3, H, W)."""
        if not self.training and images.any():  # not for the black images that a new network is tested with
            _err()
        return super().forward(images)


def wrong_in_validation(num_classes: int) -> nn.Module:
    """Network with a bug that only validation triggers."""
    return FailingValidation(num_classes)


def killing(num_classes: int) -> nn.Module:
    """Network that kills a process that loads images."""
    return Failing(num_classes, _kill_a_worker)


def huge(num_classes: int) -> nn.Module:
    """Network that needs more memory than any GPU has."""
    return Failing(num_classes, _use_all_memory)


def wrong(num_classes: int) -> nn.Module:
    """Network with a bug that training triggers."""
    return Failing(num_classes, _err)


def plain(num_classes: int) -> nn.Module:
    """Network without batch norms: two processes with one image each train it as one process with two images does."""
    scores = nn.Conv2d(8, num_classes, 1)
    for weights in scores.parameters():
        nn.init.zeros_(weights)  # as in FCNs
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), scores)
