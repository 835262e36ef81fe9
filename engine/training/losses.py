"""Losses of (N, C, H, W) logits and (N, H, W) masks of train ids; void pixels are ignored.

Except for `cross_entropy_sum` and `focal_over_void`, all are means over the valid pixels or the classes that occur, so
that their size does not depend on the share of void in a crop. All are 0 if every pixel is void. None makes the host
wait for a GPU: shapes depend on the shapes of the inputs alone, so that each can be part of a CUDA graph.
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
    """Cross-entropy, with optional class weights and label smoothing.

    Args:
        ignore_index: void train id.
        weight: (C,) weight of each class, None for 1; the loss is then the weighted mean.
        label_smoothing: share of the target that is spread over all classes (Szegedy et al. 2016, section 7); 0 to 1.
        size_average: mean over pixels; otherwise their sum, as in Long et al. 2015, section 4.3.
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
        """Compute the scalar loss of (N, C, H, W) logits and (N, H, W) train ids."""
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
        gamma: focusing exponent, which reduces the loss of pixels that are already right; 0 gives the cross-entropy.
        size_average: mean over pixels; otherwise their sum.
        ignore_index: void train id.
        average_void: count void pixels, whose loss is 0, in the mean, as the original FCN8s repository did.
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
        """Compute the scalar loss of (N, C, H, W) logits and (N, H, W) train ids."""
        cross_entropy = functional.cross_entropy(logits, mask, ignore_index=self.ignore_index, reduction="none")
        pixels = self.alpha * (1 - torch.exp(-cross_entropy)) ** self.gamma * cross_entropy  # (N, H, W)
        if not self.size_average:
            return pixels.sum()
        if self.average_void:
            return pixels.mean()
        return pixels.sum() / (mask != self.ignore_index).sum().clamp(min=1)


class OhemCrossEntropy(nn.Module):
    """Cross-entropy of the hardest pixels only: online hard example mining, OHEM (Shrivastava et al. 2016).

    Args:
        ignore_index: void train id.
        threshold: pixels whose true class has at least this probability, 0 to 1, are left out.
        min_kept: smallest share of the valid pixels that is kept, 0 to 1: the hardest ones, even above the threshold.
    """

    def __init__(self, ignore_index: int = 255, threshold: float = 0.7, min_kept: float = 1 / 16) -> None:
        super().__init__()
        self.ignore_index, self.threshold, self.min_kept = ignore_index, threshold, min_kept

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Compute the scalar loss of (N, C, H, W) logits and (N, H, W) train ids."""
        pixels = functional.cross_entropy(logits, mask, ignore_index=self.ignore_index, reduction="none")
        kept = self._kept(pixels.detach(), mask != self.ignore_index)
        return (pixels * kept).sum() / kept.sum().clamp(min=1)

    def _kept(self, pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Weights (N, H, W): 1 for kept pixels, 0 for others, a fraction for pixels that tie for the last places."""
        least = (valid.sum().double() * self.min_kept).long().clamp(min=1)
        hardest = torch.where(valid, pixels.float().abs(), -1.0)  # abs: minus zero would break the ordering by bits
        limit = -math.log(self.threshold) if self.threshold > 0 else math.inf
        hard = hardest > limit
        last = _kth_largest(hardest, least)
        above, equal = hardest > last, hardest == last
        share = (least - above.sum()) / equal.sum().clamp(min=1)
        return torch.where(hard.sum() >= least, hard.float(), above + equal * share)


def _kth_largest(values: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Find the k-th largest of float32 values bit by bit, from the highest bit; negative values are ignored.

    It counts all values 31 times; sorting them on a GPU takes several times as long.
    """
    ordered = values.view(torch.int32)  # non-negative floats are ordered like their bits
    found = torch.zeros_like(k, dtype=torch.int32)
    for bit in reversed(range(31)):
        higher = found + (1 << bit)
        found = torch.where((ordered >= higher).sum() >= k, higher, found)
    return found.view(torch.float32)


class Dice(nn.Module):
    """Dice loss: 1 - Dice of probabilities and mask, mean over the classes in the masks (Milletari et al. 2016)."""

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Compute the scalar loss of (N, C, H, W) logits and (N, H, W) train ids."""
        probability = logits.float().softmax(1) * (mask != self.ignore_index)[:, None]
        numbers = torch.arange(logits.shape[1], device=mask.device)
        truth = mask[:, None] == numbers[:, None, None]  # (N, C, H, W), false in void pixels
        pixels = truth.sum((0, 2, 3))
        overlap, size = (probability * truth).sum((0, 2, 3)), probability.sum((0, 2, 3)) + pixels
        present = pixels > 0
        loss = torch.where(present, 1 - 2 * overlap / torch.where(present, size, 1), 0)
        return loss.sum() / present.sum().clamp(min=1)


class Sum(nn.Module):
    """Sum of several losses."""

    def __init__(self, losses: list[nn.Module]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Compute the scalar sum of the losses."""
        return torch.stack([loss(logits, mask) for loss in self.losses]).sum()


def _plain(build: Callable[[int, torch.Tensor | None, float], nn.Module], void: int) -> nn.Module:
    return build(void, None, 0.0)


CROSS_ENTROPIES: dict[str, Callable[[int, torch.Tensor | None, float], nn.Module]] = {
    "cross_entropy": CrossEntropy,
    "cross_entropy_sum": partial(CrossEntropy, size_average=False),
}
"""Losses that support class weights and label smoothing, by name.

Each is built from the void train id, the (C,) class weights or None, and the label smoothing from 0 to 1.
"""

LOSSES: dict[str, Callable[[int], nn.Module]] = {
    **{name: partial(_plain, build) for name, build in CROSS_ENTROPIES.items()},
    "ohem": OhemCrossEntropy,
    "focal": lambda void: FocalLoss(ignore_index=void),
    "focal_over_void": lambda void: FocalLoss(ignore_index=void, average_void=True),
    "dice": Dice,
    "lovasz": LovaszSoftmax,
}
"""Losses by name, without class weights and label smoothing; each is built from the void train id."""


def loss_names(names: str, *, class_weights: bool, label_smoothing: bool) -> list[str]:
    """Names of the losses that a value of `--loss` adds up, for example `cross_entropy+lovasz`.

    Args:
        names: names of `LOSSES`, joined by +.
        class_weights: whether class weights are given.
        label_smoothing: whether label smoothing is given.

    Raises:
        InputError: if there is no such loss, or if none of them supports the class weights or label smoothing given.
    """
    parts = names.split("+")
    if unknown := [name for name in parts if name not in LOSSES]:
        raise InputError(
            f"--loss {names}: no loss {', '.join(unknown)}; choose from {', '.join(LOSSES)}, or join several with +"
        )
    if not set(parts) & set(CROSS_ENTROPIES):
        unsupported = [("class weights", "--class_weights")] if class_weights else []
        unsupported += [("label smoothing", "--label_smoothing")] if label_smoothing else []
        if unsupported:
            raise InputError(
                *(
                    f"--loss {names}: does not support {feature}; leave out {flag}, or add one of "
                    f"{', '.join(CROSS_ENTROPIES)} to the loss"
                    for feature, flag in unsupported
                )
            )
    return parts


def build_loss(
    names: str, void: int, class_weights: torch.Tensor | None = None, label_smoothing: float = 0.0
) -> nn.Module:
    """Build the loss of that name, or the sum of several, for example `cross_entropy+lovasz`.

    Args:
        names: names of `LOSSES`, joined by +.
        void: train id that is ignored.
        class_weights: (C,) weight of each class, for the losses that support it; None for 1.
        label_smoothing: 0 to 1, for the losses that support it.

    Raises:
        InputError: if there is no such loss, or if none of them supports the class weights or label smoothing given.
    """
    parts = loss_names(names, class_weights=class_weights is not None, label_smoothing=label_smoothing > 0)
    losses = [
        CROSS_ENTROPIES[name](void, class_weights, label_smoothing) if name in CROSS_ENTROPIES else LOSSES[name](void)
        for name in parts
    ]
    return Sum(losses) if len(losses) > 1 else losses[0]
