"""A tiny network, with which a rehearsal on a CPU takes seconds: `--network bench.tiny:build`."""

import torch
from torch import nn

NAME = "bench.tiny:build"


class Tiny(nn.Module):
    """One convolution with stride 2, and one transposed convolution back to full resolution."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, num_classes, 2, stride=2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, C, H, W) of images (N, 3, H, W)."""
        scores: torch.Tensor = self.up(torch.relu(self.norm(self.down(images))))
        return scores[..., : images.shape[-2], : images.shape[-1]]


def build(num_classes: int) -> nn.Module:
    """Build the network with random weights."""
    return Tiny(num_classes)
