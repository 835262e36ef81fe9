"""Losses of (N, C, H, W) logits against (N, H, W) masks of train ids, void left out.

All are means over the pixels or classes that occur, so that they weigh the same whatever part of a crop is
void; where nothing but void is left they are 0.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from engine.faults import InputError


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
        return total / self.weight[mask[valid]].sum().clamp(min=torch.finfo(torch.float32).tiny)


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
        pixels = pixels[mask != self.ignore_index].sort(descending=True).values  # (valid,)
        if not len(pixels):
            return logits.sum() * 0
        hard = int((pixels > -torch.log(torch.tensor(self.confident))).sum())
        return pixels[: max(hard, int(self.at_least * len(pixels)), 1)].mean()


class Dice(nn.Module):
    """1 - Dice of probabilities and mask, the mean over the classes in the masks (Milletari et al. 2016)."""

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        probability, truth = _valid_pixels(logits, mask, self.ignore_index)  # (valid, C) and (valid,)
        if not len(truth):
            return logits.sum() * 0
        classes = functional.one_hot(truth, logits.shape[1]).to(probability.dtype)
        overlap, size = (probability * classes).sum(0), probability.sum(0) + classes.sum(0)
        present = classes.any(0)
        return 1 - (2 * overlap / size)[present].mean()


class LovaszSoftmax(nn.Module):
    """The Lovász extension of 1 - IoU, the mean over the classes in the masks (Berman et al. 2018, equation 11)."""

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss as a scalar."""
        probability, truth = _valid_pixels(logits, mask, self.ignore_index)
        present = torch.bincount(truth, minlength=logits.shape[1]).nonzero()[:, 0].tolist()
        if not present:
            return logits.sum() * 0
        return torch.stack([self._of_class(probability[:, number], truth == number) for number in present]).mean()

    @staticmethod
    def _of_class(probability: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        errors, order = (inside.to(probability.dtype) - probability).abs().sort(descending=True)
        right = inside[order].to(errors.dtype)
        # How the Jaccard loss grows as pixels turn wrong, the worst first (section 3, algorithm 1).
        intersection = right.sum() - right.cumsum(0)
        union = right.sum() + (1 - right).cumsum(0)
        jaccard = 1 - intersection / union
        growth = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
        return errors @ growth


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


def _valid_pixels(logits: torch.Tensor, mask: torch.Tensor, void: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (valid, C) in float32 and classes (valid,) of the pixels that are not void."""
    valid = mask != void
    return logits.float().softmax(1).permute(0, 2, 3, 1)[valid], mask[valid]
