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
"""Variable of the environment: the number of a signal, and the step of a process in which `interrupted` sends it.

To its process group; or, where the step is negative, to its own process, at that image of a validation.
"""


class Interrupted(Tiny):
    """Has dropout, and sends its process group a signal while a step is under way."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.dropout = nn.Dropout2d(0.2)
        self.steps = self.images = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, C, H, W)."""
        number, step = map(int, os.environ.get(INTERRUPT, "0 0").split())
        if self.training and torch.is_grad_enabled():
            self.steps += 1
            if self.steps == step:
                os.killpg(0, signal.Signals(number))
        elif images.any():  # not the black ones that a network is tried on
            self.images += 1
            if self.images == -step:
                os.kill(os.getpid(), signal.Signals(number))
        scores: torch.Tensor = self.dropout(super().forward(images))
        return scores


def interrupted(num_classes: int) -> nn.Module:
    """The network that interrupts its training."""
    return Interrupted(num_classes)


class Failing(Tiny):
    """Does something bad in its third step."""

    def __init__(self, num_classes: int, bad: Callable[[], None]) -> None:
        super().__init__(num_classes)
        self.bad, self.steps = bad, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, C, H, W)."""
        self.steps += self.training and torch.is_grad_enabled()
        if self.steps == 3:
            self.bad()
        return super().forward(images)


def _kill_a_worker() -> None:
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
    time.sleep(10)  # which the signal that it is gone interrupts


def _use_all_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore of it")


def _err() -> None:
    raise ZeroDivisionError


class FailingValidation(Tiny):
    """Has a bug that the first image of a validation meets."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, C, H, W)."""
        if not self.training and images.any():  # not the black ones that a network is tried on
            _err()
        return super().forward(images)


def wrong_in_validation(num_classes: int) -> nn.Module:
    """The network with a bug that no training meets."""
    return FailingValidation(num_classes)


def killing(num_classes: int) -> nn.Module:
    """The network that kills a process that loads images."""
    return Failing(num_classes, _kill_a_worker)


def huge(num_classes: int) -> nn.Module:
    """The network for which no GPU has the memory."""
    return Failing(num_classes, _use_all_memory)


def wrong(num_classes: int) -> nn.Module:
    """The network with a bug."""
    return Failing(num_classes, _err)


def plain(num_classes: int) -> nn.Module:
    """Without batch norms: two processes of one image each train it as one process does with two images."""
    scores = nn.Conv2d(8, num_classes, 1)
    for weights in scores.parameters():
        nn.init.zeros_(weights)  # as an FCN's
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), scores)
