"""Lovász-Softmax loss, a differentiable surrogate of the IoU."""

import torch
from torch import nn


class LovaszSoftmax(nn.Module):
    """Lovász extension of 1 - IoU, mean over the classes in the masks (Berman et al. 2018, equation 11)."""

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Compute the scalar loss of (N, C, H, W) logits and (N, H, W) train ids."""
        probability = logits.float().softmax(1)
        slopes, offset = self._linear(probability.detach(), mask)
        return (probability * slopes).sum() + offset

    def _linear(self, probability: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coefficients of the loss, which is linear in the probabilities as long as their order stays the same.

        Classes are sorted one after another, because the order takes 12 bytes per pixel and class.

        Returns:
            (N, C, H, W) slopes and the scalar offset.
        """
        valid = (mask != self.ignore_index).flatten()
        slopes, offset = torch.empty_like(probability), torch.zeros_like(probability[0, 0, 0, 0])
        classes = torch.zeros_like(offset)
        for number in range(probability.shape[1]):
            inside = (mask == number).flatten()
            of_class = probability[:, number].flatten()
            errors = torch.where(inside, 1 - of_class, of_class)
            growth = _growth(torch.where(valid, errors, -1.0), inside) * valid * inside.any()
            slopes[:, number] = torch.where(inside, -growth, growth).view_as(mask)
            offset += (growth * inside).sum()
            classes += inside.any()
        classes = classes.clamp(min=1)
        return slopes.div_(classes), offset / classes


def _growth(errors: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Growth of the Jaccard loss of a class with each further wrong pixel, the worst first (section 3, algorithm 1).

    It is computed in closed form: differences of the Jaccard loss would be lost in rounding for millions of pixels.
    """
    order = errors.argsort(descending=True)
    right = inside[order]
    intersection = right.sum() - right.cumsum(0)
    union = right.sum() + (~right).cumsum(0)
    wrong = intersection / (union * (union - 1)).clamp(min=1)
    return torch.empty_like(errors).scatter_(0, order, torch.where(right, 1 / union, wrong))
