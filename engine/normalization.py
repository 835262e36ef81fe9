"""Normalisation of images by mean and standard deviation per channel."""

import torch
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """Normalises images with values from 0 to 255: (image / 255 - mean) / std, per channel."""

    def __init__(self, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """(N, 3, H, W) uint8 -> float32, written to `out`, or to a new channels_last tensor if that is None."""
        if out is None:
            out = torch.empty_like(image, dtype=torch.float32, memory_format=torch.channels_last)
        return out.copy_(image).sub_(self.mean).div_(self.std)
