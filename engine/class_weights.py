"""What a pixel of each class weighs in the loss, from how often there is one."""

from collections.abc import Callable

import torch


def inverse_log(pixels: torch.Tensor) -> torch.Tensor:
    """1 / ln(1.02 + share of all pixels): from 1.4 to 50 (Paszke et al. 2016, ENet)."""
    return 1 / torch.log(1.02 + pixels.sum(0) / pixels.sum())


def median_frequency(pixels: torch.Tensor) -> torch.Tensor:
    """The median frequency over that of the class, within images that have it (Eigen and Fergus 2015).

    Classes that occur nowhere weigh 1.
    """
    within = (pixels.sum(1, keepdim=True) * (pixels > 0)).sum(0)
    frequency = pixels.sum(0) / within  # nan where the class is nowhere
    occurs = within > 0
    return torch.where(occurs, frequency[occurs].quantile(0.5) / frequency, torch.ones_like(frequency))


CLASS_WEIGHTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "inverse_log": inverse_log,
    "median_frequency": median_frequency,
}
"""Weights (C,) float64 by name, from (N, C) float64 numbers of pixels of each class in every sample."""
