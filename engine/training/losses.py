"""Losses of (N, C, H, W) logits against (N, H, W) masks of train ids, void left out.

All are means over the pixels or classes that occur, so that they weigh the same whatever part of a crop is
void; where nothing but void is left they are 0. None makes the host wait for a GPU: shapes follow from the
shapes of the inputs alone, so that each may be part of a CUDA graph.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from engine.errors import InputError
from engine.training.lovasz import LovaszSoftmax


class CrossEntropy(nn.Module):
    """Cross-entropy.

    Args:
        ignore_index: the void train id.
        weight: (C,) factor of each class, None for 1; the mean is over weights then.
        label_smoothing: share of the target that all classes get alike (Szegedy et al. 2016, section 7).
        size_average: the mean over pixels; else their sum, as in Long et al. 2015, section 4.3.
    """

    def __init__(
        self,
        ignore_index: int = 255,
        weight: torch.Tensor | None = None,
        label_smoothing: float = 0.0,
        size_average: bool = True,
    ) -> None:
        super().__init__()
        self.ignore_index, self.label_smoothing, self.size_average = ignore_index, label_smoothing, size_average
        self.weight: torch.Tensor | None
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        total = functional.cross_entropy(
            logits,
            mask,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        if not self.size_average:
            return total
        valid = mask != self.ignore_index
        if self.weight is None:
            return total / valid.sum().clamp(min=1)
        weights = self.weight[mask.clamp(0, len(self.weight) - 1)] * valid
        return total / weights.sum().clamp(min=torch.finfo(torch.float32).tiny)


class FocalLoss(nn.Module):
    """Focal loss (Lin et al. 2017, equation 5): alpha (1 - p)^gamma times the cross-entropy of a pixel.

    Args:
        alpha: factor on the whole loss.
        gamma: how much pixels that are already right count less; 0 gives the cross-entropy.
        size_average: the mean over pixels; else their sum.
        ignore_index: the void train id.
        average_void: count void pixels, whose loss is 0, in the mean, as the ancestor project did.
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        size_average: bool = True,
        ignore_index: int = 255,
        average_void: bool = False,
    ) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma
        self.size_average, self.average_void = size_average, average_void
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        cross_entropy = functional.cross_entropy(logits, mask, ignore_index=self.ignore_index, reduction="none")
        pixels = self.alpha * (1 - torch.exp(-cross_entropy)) ** self.gamma * cross_entropy  # (N, H, W)
        if not self.size_average:
            return pixels.sum()
        if self.average_void:
            return pixels.mean()
        return pixels.sum() / (mask != self.ignore_index).sum().clamp(min=1)


class HardPixels(nn.Module):
    """Cross-entropy of the hardest pixels only (Shrivastava et al. 2016, online hard example mining).

    Args:
        ignore_index: the void train id.
        confident: pixels whose true class has at least this probability are left out ...
        at_least: ... but this share of the valid pixels, the hardest, is always kept.
    """

    def __init__(self, ignore_index: int = 255, confident: float = 0.7, at_least: float = 1 / 16) -> None:
        super().__init__()
        self.ignore_index, self.confident, self.at_least = ignore_index, confident, at_least

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        pixels = functional.cross_entropy(logits, mask, ignore_index=self.ignore_index, reduction="none")
        chosen = self._chosen(pixels.detach(), mask != self.ignore_index)
        return (pixels * chosen).sum() / chosen.sum().clamp(min=1)

    def _chosen(self, pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """(N, H, W): 1 where a pixel counts, 0 where not; of several that are equally hard a share each."""
        least = (valid.sum().double() * self.at_least).long().clamp(min=1)
        hardest = torch.where(valid, pixels.float().abs(), -1.0)  # no minus zero among those that are ordered by bits
        limit = -math.log(self.confident) if self.confident > 0 else math.inf
        hard = hardest > limit
        last = _kth_largest(hardest, least)
        above, equal = hardest > last, hardest == last
        share = (least - above.sum()) / equal.sum().clamp(min=1)
        return torch.where(hard.sum() >= least, hard.float(), above + equal * share)


def _kth_largest(values: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """The k-th largest of float32 values, bit by bit from the highest; negative values count for nothing.

    That is 31 counts of all values, where sorting them on a GPU takes several times as long.
    """
    ordered = values.view(torch.int32)  # floats that are not negative are in the order of their bits
    found = torch.zeros_like(k, dtype=torch.int32)
    for bit in reversed(range(31)):
        higher = found + (1 << bit)
        found = torch.where((ordered >= higher).sum() >= k, higher, found)
    return found.view(torch.float32)


class Dice(nn.Module):
    """1 - Dice of probabilities and mask, the mean over the classes in the masks (Milletari et al. 2016)."""

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        probability = logits.float().softmax(1) * (mask != self.ignore_index)[:, None]
        numbers = torch.arange(logits.shape[1], device=mask.device)
        truth = mask[:, None] == numbers[:, None, None]  # (N, C, H, W), nowhere in void pixels
        pixels = truth.sum((0, 2, 3))
        overlap, size = (probability * truth).sum((0, 2, 3)), probability.sum((0, 2, 3)) + pixels
        present = pixels > 0
        loss = torch.where(present, 1 - 2 * overlap / torch.where(present, size, 1), 0)
        return loss.sum() / present.sum().clamp(min=1)


class Sum(nn.Module):
    """Several losses together."""

    def __init__(self, losses: list[nn.Module]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The sum as a scalar."""
        return torch.stack([loss(logits, mask) for loss in self.losses]).sum()


def _unweighted(build: Callable[[int, torch.Tensor | None], nn.Module], void: int) -> nn.Module:
    return build(void, None)


WEIGHTED_LOSSES: dict[str, Callable[[int, torch.Tensor | None], nn.Module]] = {
    "cross_entropy": CrossEntropy,
    "cross_entropy_sum": lambda void, weight: CrossEntropy(void, weight, size_average=False),
    "smooth_cross_entropy": lambda void, weight: CrossEntropy(void, weight, label_smoothing=0.1),
}
"""Loss that may weigh classes by name, built from the void train id and the (C,) weights."""

LOSSES: dict[str, Callable[[int], nn.Module]] = {
    **{name: partial(_unweighted, build) for name, build in WEIGHTED_LOSSES.items()},
    "hard_pixels": HardPixels,
    "focal": lambda void: FocalLoss(ignore_index=void),
    "focal_over_void": lambda void: FocalLoss(ignore_index=void, average_void=True),
    "dice": Dice,
    "lovasz": LovaszSoftmax,
}
"""Loss by name, built from the void train id."""


def build_loss(names: str, void: int, weight: torch.Tensor | None = None) -> nn.Module:
    """The loss of that name, or the sum of several: `cross_entropy+lovasz`.

    Args:
        names: joined by +.
        void: the train id that is left out.
        weight: (C,) factor of each class, for the losses that can take it; None for 1.

    Raises:
        InputError: if there is no such loss, or none that takes weights.
    """
    parts = names.split("+")
    if unknown := [name for name in parts if name not in LOSSES]:
        raise InputError(
            f"--loss {names}: no loss {', '.join(unknown)}; choose from {', '.join(LOSSES)}, or join some by +"
        )
    if weight is not None and not set(parts) & set(WEIGHTED_LOSSES):
        raise InputError(
            f"--loss {names}: does not weigh classes; leave out --class_weights, or add one of "
            f"{', '.join(WEIGHTED_LOSSES)} to it"
        )
    losses = [WEIGHTED_LOSSES[name](void, weight) if name in WEIGHTED_LOSSES else LOSSES[name](void) for name in parts]
    return Sum(losses) if len(losses) > 1 else losses[0]
