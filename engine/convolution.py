"""Convolutions of 3 x 3 on CPUs with what follows them done in the same pass: bias, ReLU, pooling."""

import threading
from abc import abstractmethod

import torch
from torch import nn

from engine.mapping import mapped

BLOCKS_AT_ONCE = 1024


class Workspace:
    """Memory that is used again and again, since fresh memory costs as much time as filling it.

    Each thread has its own.
    """

    def __init__(self) -> None:
        self._own = threading.local()

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """A contiguous tensor of any content in the block of that name; it overwrites what was there."""
        size = torch.Size(shape).numel()
        blocks: dict[str, torch.Tensor] = self._own.__dict__
        if name not in blocks or len(blocks[name]) < size:
            blocks.pop(name, None)
            blocks[name] = mapped(size)
        return blocks[name][:size].view(shape)


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
    at_once: int
    """How many of them."""

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

    def step(self, width: int) -> int:
        """How many rows of a result of that width are made at once."""
        return self.side * max(1, self.at_once // -(-width // self.side))

    @abstractmethod
    def fill(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        """Write rows of the result, no more than are made at once.

        Args:
            image: (h, W, C) rows of the image; rows beyond them are taken as zeros.
            first: place in `image` of the first row that is needed; negative above it.
            result: (rows, width, channels) to be filled.
        """

    def _windows(self, image: torch.Tensor, first: int, down: int, across: int) -> torch.Tensor:
        """(down, across, n, n, C) view of the n x n pixels that each square of results comes from, row by row."""
        (height, width, channels), pad = image.shape, self.padding
        stride = self.shrink * self.side
        rows = self._workspace.take("rows", stride * down + 2, stride * across + 2, channels)
        above, below = max(0, -first), max(0, min(len(rows), height - first))
        seen = min(width, rows.shape[1] - pad)
        rows[:above].zero_()
        rows[below:].zero_()
        rows[:, :pad].zero_()
        rows[:, pad + seen :].zero_()
        rows[above:below, pad : pad + seen] = image[first + above : first + below, :seen]
        along, right, one = rows.stride()
        return rows.as_strided(
            (down, across, stride + 2, stride + 2, channels), (stride * along, stride * right, along, right, one)
        )


class Direct(Convolution):
    """By one matrix product for all pixels that are pooled into one, which is best where few channels come in."""

    side, at_once = 1, BLOCKS_AT_ONCE

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__(plain, relu, pool, workspace)
        self.weight: torch.Tensor
        self.register_buffer("weight", shifted_filters(plain.weight.detach(), self.shrink), persistent=False)

    def fill(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        """As `Convolution.fill`."""
        down, across, channels = result.shape
        windows = self._windows(image, first, down, across)
        blocks = self._workspace.take("blocks", *windows.shape).copy_(windows).view(down * across, -1)
        products = self._workspace.take("products", down * across, self.shrink**2, channels)
        torch.mm(blocks, self.weight, out=products.view(down * across, -1))
        while products.shape[1] > 1:
            near, far = products.chunk(2, 1)
            products = torch.maximum(near, far, out=near)
        torch.clamp_min(products[:, 0].add_(self.bias), self.floor, out=result.view(down * across, channels))


def shifted_filters(weight: torch.Tensor, side: int) -> torch.Tensor:
    """(O, I, 3, 3) -> ((side + 2)^2 * I, side^2 * O): the filters at each place of a square of results."""
    channels, inward = weight.shape[:2]
    result = weight.new_zeros(side + 2, side + 2, inward, side, side, channels)
    for row in range(side):
        for column in range(side):
            result[row : row + 3, column : column + 3, :, row, column] = weight.permute(2, 3, 1, 0)
    return result.view((side + 2) ** 2 * inward, side**2 * channels)
