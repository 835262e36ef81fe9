"""Convolutions of 3 x 3 on CPUs with what follows them done in the same pass: bias, ReLU, pooling."""

from abc import abstractmethod

import torch
from torch import nn
from torch.nn import functional

from engine.workspace import Workspace

BLOCKS_AT_ONCE = 1024
"""Of as many pixels as are pooled into one."""


class Convolution(nn.Module):
    """A 3 x 3 convolution with what follows it: ReLU, and 2 x 2 max pooling.

    Args:
        plain: of stride 1, with zeros around.
        relu: whether negative results become 0.
        pool: whether results are pooled.
        workspace: may be shared by convolutions that run one after the other.
    """

    side: int
    """Of the squares of results that are made as one."""

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__()
        self.padding = int(plain.padding[0])
        self.floor = 0.0 if relu else -torch.inf
        self.shrink = 2 if pool else 1
        self.channels = plain.out_channels
        bias = torch.zeros(plain.out_channels) if plain.bias is None else plain.bias.detach()
        self._workspace = workspace
        self.bias: torch.Tensor
        self.register_buffer("bias", bias, persistent=False)

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result for an image of that height and width."""
        lost = 2 - 2 * self.padding
        return (height - lost) // self.shrink, (width - lost) // self.shrink

    @abstractmethod
    def step(self, width: int) -> int:
        """How many rows of a result of that width are made at once, a multiple of the side."""

    @abstractmethod
    def fill(self, image: torch.Tensor, framed: bool, first: int, result: torch.Tensor) -> None:
        """Write rows of the result, no more than are made at once.

        Args:
            image: (h, W, C) rows of the image; rows beyond them are taken as zeros.
            framed: whether they have the stage's margins, then they are (h, left + W + right, C).
            first: place in `image` of the first row that is needed; negative above it.
            result: (rows, width, channels) to be filled.
        """

    def margins(self, width: int) -> tuple[int, int]:
        """Columns of zeros left and right of an image of that width which the squares of results come from too."""
        across = -(-self.shape(0, width)[1] // self.side)
        return self.padding, max(0, self.shrink * self.side * across + 2 - self.padding - width)

    def _rows(self, image: torch.Tensor, framed: bool, first: int, height: int, width: int) -> torch.Tensor:
        """(height, width, C) pixels of the image from a row on, with zeros around; of a framed one often a view."""
        if framed and first >= 0 and first + height <= len(image):
            return image[first : first + height, :width]
        rows, pad = self._workspace.take("rows", height, width, image.shape[2]), 0 if framed else self.padding
        above, below = max(0, -first), max(0, min(height, len(image) - first))
        seen = min(image.shape[1], width - pad)
        rows[:above].zero_()
        rows[below:].zero_()
        rows[:, :pad].zero_()
        rows[:, pad + seen :].zero_()
        rows[above:below, pad : pad + seen] = image[first + above : first + below, :seen]
        return rows


class Direct(Convolution):
    """By torch's own convolution of a few rows at a time, which is best where few channels come in."""

    side = 1

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__(plain, relu, pool, workspace)
        self.weight: torch.Tensor
        weight = plain.weight.detach().contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", weight, persistent=False)

    def step(self, width: int) -> int:
        """As `Convolution.step`."""
        return max(1, BLOCKS_AT_ONCE // width)

    def fill(self, image: torch.Tensor, framed: bool, first: int, result: torch.Tensor) -> None:
        """As `Convolution.fill`."""
        height, width = (self.shrink * length for length in result.shape[:2])
        rows = self._rows(image, framed, first, height + 2, width + 2).permute(2, 0, 1)
        seen = functional.conv2d(rows[None], self.weight, self.bias)[0].permute(1, 2, 0).contiguous()
        if self.shrink == 2:
            lines = seen.view(-1, 2, width, self.channels)
            pairs = torch.maximum(lines[:, 0], lines[:, 1]).view(*result.shape[:2], 2, self.channels)
            seen = torch.maximum(pairs[:, :, 0], pairs[:, :, 1], out=result)
        torch.clamp_min(seen, self.floor, out=result)
