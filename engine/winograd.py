"""Convolutions of 3 x 3 by Winograd's minimal filtering, for CPUs (Lavin and Gray 2016, arXiv:1509.09308).

Tiles of 4 x 4 results take 36 multiplications a channel in place of 144, those of 6 x 6 take 64 in place of 324. The
image is worked through a few rows of tiles at a time, so that what lies between the steps stays in the cache.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from engine.convolution import Convolution, Workspace
from engine.mapping import mapped

TILES_AT_ONCE = 128
_PAIRS_OF_LARGE_TILES = 256 * 256
"""Pairs of channels up to which tiles are of 6 x 6: with more, their filters take more memory than they save time."""


class Matrices(NamedTuple):
    """For m x m results Y of n x n pixels d and filters g: Y = back (filters g filters' * into d into') back'."""

    into: torch.Tensor
    """(n, n)."""
    filters: torch.Tensor
    """(n, 3)."""
    back: torch.Tensor
    """(m, n)."""


def matrices(*points: float) -> Matrices:
    """Those for n - 1 points and infinity, where products of polynomials are taken (Toom and Cook), in float64."""
    n = len(points) + 1
    into, filters, back = np.zeros((n, n)), np.zeros((n, 3)), np.zeros((n - 2, n))
    for place, point in enumerate(points):
        others = [other for other in points if other != point]
        into[place, :-1] = np.poly(others)[::-1]
        filters[place] = point ** np.arange(3) / np.prod(np.subtract(point, others))
        back[:, place] = point ** np.arange(n - 2)
    into[-1], filters[-1, -1], back[-1, -1] = np.poly(points)[::-1], 1, 1
    return Matrices(torch.from_numpy(into), torch.from_numpy(filters), torch.from_numpy(back))


_TILES_OF_FOUR, _TILES_OF_SIX = matrices(0, 1, -1, 2, -2), matrices(0, 1, -1, 2, -2, 1 / 2, -1 / 2)
_FLAT = (1, 1)
"""The place in a transformed tile from which a value reaches all results unchanged: where the bias is added."""


class Winograd(Convolution):
    """By transformed tiles."""

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__(plain, relu, pool, workspace)
        few = plain.in_channels * plain.out_channels <= _PAIRS_OF_LARGE_TILES
        into, filters, back = _TILES_OF_SIX if few else _TILES_OF_FOUR
        self.side, self.at_once = len(back) // self.shrink, TILES_AT_ONCE
        self.weight: torch.Tensor
        self.into: torch.Tensor
        self.back: torch.Tensor
        self.register_buffer("weight", transformed_filters(plain.weight.detach(), filters), persistent=False)
        self.register_buffer("into", into.float(), persistent=False)
        self.register_buffer("back", back.float(), persistent=False)

    def fill(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        """As `Convolution.fill`."""
        down, across = -(-len(result) // self.side), -(-result.shape[1] // self.side)
        tiles = self._convolved(self._windows(image, first, down, across).permute(2, 3, 0, 1, 4))
        self._place(self._pooled(tiles) if self.shrink == 2 else tiles, result)

    def _convolved(self, windows: torch.Tensor) -> torch.Tensor:
        """(n, n, rows, columns, C) windows -> (m, m, rows, columns, C) results, without ReLU.

        Each step reads one of two blocks and writes the other, for what is in the cache is soon needed again.
        """
        values = self._workspace.take("even", *windows.shape).copy_(windows)
        seen = self._transformed(values, self.into, "odd", "even")
        products = self._workspace.take("odd", *windows.shape[:4], self.channels)
        places = windows.shape[0] * windows.shape[1]
        torch.bmm(seen.view(places, -1, seen.shape[-1]), self.weight, out=products.view(places, -1, self.channels))
        products[_FLAT] += self.bias
        return self._transformed(products, self.back, "even", "odd")

    def _transformed(self, values: torch.Tensor, matrix: torch.Tensor, between: str, name: str) -> torch.Tensor:
        """(n, n, ...) -> (m, m, ...) by a matrix of m x n, applied along both axes, with a block between."""
        (into, side), many = matrix.shape, values[0, 0].numel()
        half = self._workspace.take(between, into, side, many)
        torch.mm(matrix, values.view(side, -1), out=half.view(into, -1))
        whole = self._workspace.take(name, into, into, many)
        torch.bmm(matrix.expand(into, into, side), half, out=whole)
        return whole.view(into, into, *values.shape[2:])

    def _pooled(self, tiles: torch.Tensor) -> torch.Tensor:
        """(m, m, rows, columns, C) -> (m / 2, m / 2, rows, columns, C)."""
        half = len(tiles) // 2
        pairs = tiles.view(half, 2, *tiles.shape[1:])
        flatter = self._workspace.take("even", half, *tiles.shape[1:])
        torch.maximum(pairs[:, 0], pairs[:, 1], out=flatter)
        pairs = flatter.view(half, half, 2, *tiles.shape[2:])
        pooled = self._workspace.take("odd", half, half, *tiles.shape[2:])
        return torch.maximum(pairs[:, :, 0], pairs[:, :, 1], out=pooled)

    def _place(self, tiles: torch.Tensor, result: torch.Tensor) -> None:
        """Write (side, side, rows, columns, C) tiles, no less than the floor, into (rows, width, C)."""
        for rows, down, high in _runs(len(result), self.side):
            for columns, across, wide in _runs(result.shape[1], self.side):
                seen = tiles[:high, :wide, rows, columns].permute(2, 0, 3, 1, 4)  # (rows, high, columns, wide, C)
                torch.clamp_min(seen, self.floor, out=result[down, across].view(seen.shape))


def _runs(length: int, side: int) -> Iterator[tuple[slice, slice, int]]:
    """The tiles that lie within a length, then one that reaches beyond it: which, where, and what is seen of each."""
    whole, rest = divmod(length, side)
    if whole:
        yield slice(whole), slice(whole * side), side
    if rest:
        yield slice(whole, None), slice(whole * side, length), rest


def transformed_filters(weight: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """(O, I, 3, 3) -> (n * n, I, O) by a matrix of n x 3."""
    result = mapped(len(matrix) ** 2, weight.shape[1], weight.shape[0])
    for first in range(0, len(weight), 32):  # in parts, for in float64 they are as large as 14 times the filters
        part = weight[first : first + 32].double()
        seen = torch.einsum("ai,bj,ocij->abco", matrix, matrix, part).flatten(0, 1)
        result[..., first : first + 32] = seen
    return result
