"""Learning rates as functions of the step: nothing to save, nothing to lose on resume."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where training stands."""

    step: int
    """Steps done."""
    steps_per_epoch: int
    epochs: int
    """To be trained in all."""

    @property
    def done(self) -> float:
        """From 0 to 1."""
        return self.step / max(1, self.steps_per_epoch * self.epochs)


def poly(progress: Progress) -> float:
    """(1 - done)^0.9, after a linear warm-up over the first 2 % (Chen et al. 2017, DeepLab, section 3)."""
    warm_up = 0.02
    rise = min(1.0, (progress.done + 1e-3) / warm_up)
    return float(rise * (1 - progress.done) ** 0.9)


def step(progress: Progress) -> float:
    """A tenth every 10 epochs."""
    return float(0.1 ** (progress.step // progress.steps_per_epoch // 10))


def cosine(progress: Progress) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress.done))


def one_cycle(progress: Progress) -> float:
    """Half a cosine up over the first 30 %, then half a cosine down to 0 (Smith and Topin 2018, arXiv:1708.07120)."""
    rise, start = 0.3, 0.04
    if progress.done < rise:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * progress.done / rise))
    return 0.5 * (1 + math.cos(math.pi * (progress.done - rise) / (1 - rise)))


def constant(progress: Progress) -> float:
    """Always 1."""
    return 1.0


SCHEDULES: dict[str, Callable[[Progress], float]] = {
    "poly": poly,
    "step": step,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "constant": constant,
}
"""Factor on the learning rate by name."""
