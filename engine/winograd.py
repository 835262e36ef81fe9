"""Convolutions of 3 x 3 by Winograd's minimal filtering, for CPUs (Lavin and Gray 2016, arXiv:1509.09308).

Tiles of 4 x 4 results take 36 multiplications a channel in place of 144. The image is worked through a few rows of
tiles at a time, so that what lies between the steps stays in the cache.
"""

import torch
from torch import nn

from engine.convolution import Convolution, Workspace

TILE = 4
_WINDOW = TILE + 2
TILES_AT_ONCE = 64

_INPUT = torch.tensor(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
     [0, 4, 0, -5, 0, 1]], dtype=torch.float64
)  # fmt: skip
_FILTER = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
) / 24  # fmt: skip
_OUTPUT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)  # fmt: skip
_FLAT = (1, 1)
"""The place in a transformed tile from which a value reaches all 16 results unchanged: where the bias is added."""


class Winograd(Convolution):
    """By transformed tiles."""

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__(plain, relu, pool, workspace)
        self.side, self.at_once = TILE // self.shrink, TILES_AT_ONCE
        self.weight: torch.Tensor
        self.into: torch.Tensor
        self.back: torch.Tensor
        self.register_buffer("weight", transformed_filters(plain.weight.detach()), persistent=False)
        self.register_buffer("into", _INPUT.float(), persistent=False)
        self.register_buffer("back", _OUTPUT.float(), persistent=False)

    def _make(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        down, across = -(-len(result) // self.side), -(-result.shape[1] // self.side)
        tiles = self._convolved(self._windows(image, first, down, across).permute(2, 3, 0, 1, 4))
        self._place(self._pooled(tiles) if self.shrink == 2 else tiles, result)

    def _convolved(self, windows: torch.Tensor) -> torch.Tensor:
        """(6, 6, rows, columns, C) windows -> (4, 4, rows, columns, C) results, without ReLU.

        Each step reads one of two blocks and writes the other, for what is in the cache is soon needed again.
        """
        values = self._workspace.take("even", *windows.shape).copy_(windows)
        seen = self._transformed(values, self.into, "odd", "even")
        products = self._workspace.take("odd", _WINDOW, _WINDOW, *windows.shape[2:4], self.channels)
        places = _WINDOW * _WINDOW
        torch.bmm(seen.view(places, -1, seen.shape[-1]), self.weight, out=products.view(places, -1, self.channels))
        products[_FLAT] += self.bias
        return self._transformed(products, self.back, "even", "odd")

    def _transformed(self, values: torch.Tensor, matrix: torch.Tensor, between: str, name: str) -> torch.Tensor:
        """(6, 6, ...) -> (m, m, ...) for a matrix of m x 6, applied along both axes, by a block between."""
        (into, side), many = matrix.shape, values[0, 0].numel()
        half = self._workspace.take(between, into, side, many)
        torch.mm(matrix, values.view(side, -1), out=half.view(into, -1))
        whole = self._workspace.take(name, into, into, many)
        torch.bmm(matrix.expand(into, into, side), half, out=whole)
        return whole.view(into, into, *values.shape[2:])

    def _pooled(self, tiles: torch.Tensor) -> torch.Tensor:
        """(4, 4, rows, columns, C) -> (2, 2, rows, columns, C)."""
        half = TILE // 2
        pairs = tiles.view(half, 2, *tiles.shape[1:])
        flatter = self._workspace.take("even", half, *tiles.shape[1:])
        torch.maximum(pairs[:, 0], pairs[:, 1], out=flatter)
        pairs = flatter.view(half, half, 2, *tiles.shape[2:])
        pooled = self._workspace.take("odd", half, half, *tiles.shape[2:])
        return torch.maximum(pairs[:, :, 0], pairs[:, :, 1], out=pooled)

    def _place(self, tiles: torch.Tensor, result: torch.Tensor) -> None:
        """Write (side, side, rows, columns, C) tiles, no less than the floor, into (rows, width, C)."""
        tiles = tiles.permute(2, 0, 3, 1, 4)  # (rows, side, columns, side, C)
        high, wide = tiles.shape[0] * tiles.shape[1], tiles.shape[2] * tiles.shape[3]
        if (high, wide) == result.shape[:2]:
            torch.clamp_min(tiles, self.floor, out=result.view(tiles.shape))
        else:  # the last tiles reach beyond the result
            whole = tiles.clamp_min(self.floor).reshape(high, wide, -1)
            result.copy_(whole[: len(result), : result.shape[1]])


def transformed_filters(weight: torch.Tensor) -> torch.Tensor:
    """(O, I, 3, 3) -> (36, I, O)."""
    result = weight.new_empty(_WINDOW**2, weight.shape[1], weight.shape[0])
    for first in range(0, len(weight), 32):  # in parts, for they are as large as eight times the filters
        part = weight[first : first + 32].double()
        seen = torch.einsum("ai,bj,ocij->abco", _FILTER, _FILTER, part).flatten(0, 1)
        result[..., first : first + 32] = seen
    return result
