"""Losses of (N, C, H, W) logits against (N, H, W) masks of train ids, void left out."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class CrossEntropy(nn.Module):
    """Cross-entropy, averaged over the pixels that are not void; 0 where all are.

    Args:
        ignore_index: the void train id.
        size_average: the mean over pixels; else their sum, as in Long et al. 2015, section 4.3.
    """

    def __init__(self, ignore_index: int = 255, size_average: bool = True) -> None:
        super().__init__()
        self.ignore_index, self.size_average = ignore_index, size_average

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        total = functional.cross_entropy(logits, mask, ignore_index=self.ignore_index, reduction="sum")
        return total / (mask != self.ignore_index).sum().clamp(min=1) if self.size_average else total


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


LOSSES: dict[str, Callable[[int], nn.Module]] = {
    "cross_entropy": CrossEntropy,
    "cross_entropy_sum": lambda void: CrossEntropy(void, size_average=False),
    "focal": lambda void: FocalLoss(ignore_index=void),
    "focal_over_void": lambda void: FocalLoss(ignore_index=void, average_void=True),
}
"""Loss by name, built from the void train id."""
