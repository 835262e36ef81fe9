"""Convolutions of 3 x 3 by Winograd's minimal filtering, for CPUs (Lavin and Gray 2016, arXiv:1509.09308).

Tiles of 4 x 4 results take 36 multiplications a channel in place of 144, those of 6 x 6 take 64 in place of 324. The
image is worked through a few rows of tiles at a time, so that what lies between the steps stays in the cache.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from engine.convolution import Convolution
from engine.packing import packed
from engine.workspace import Workspace

TILES_AT_ONCE = 64
"""Always as many, for oneDNN lays filters out for one number, and would do so again in every call for another."""
TILES_IN_A_STEP = 192
"""At most, if a row of them is no longer."""
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


class Winograd(Convolution):
    """By transformed tiles."""

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__(plain, relu, pool, workspace)
        few = plain.in_channels * plain.out_channels <= _PAIRS_OF_LARGE_TILES
        into, filters, back = _TILES_OF_SIX if few else _TILES_OF_FOUR
        self.side = len(back) // self.shrink
        bias = torch.zeros(len(into) ** 2, self.channels)
        bias[len(into) + 1] = self.bias  # a value at the place (1, 1) reaches all results unchanged
        self._multiply = packed(transformed_filters(plain.weight.detach(), filters), bias, rows=TILES_AT_ONCE)
        self.into: torch.Tensor
        self.back: torch.Tensor
        self.register_buffer("into", into.float(), persistent=False)
        self.register_buffer("back", back.float(), persistent=False)

    def step(self, width: int) -> int:
        """As `Convolution.step`: so many rows of tiles that the last time fewest places are left over."""
        across = -(-width // self.side)
        return self.side * min(
            range(1, 1 + max(1, TILES_IN_A_STEP // across)),
            key=lambda rows: (-rows * across % TILES_AT_ONCE) / (rows * across),
        )

    def fill(self, image: torch.Tensor, framed: bool, first: int, result: torch.Tensor) -> None:
        """As `Convolution.fill`."""
        down, across = -(-len(result) // self.side), -(-result.shape[1] // self.side)
        m, _ = self.back.shape
        tiles = self._workspace.take("tiles", -(-down * across // TILES_AT_ONCE), TILES_AT_ONCE, m, m, self.channels)
        for windows, some in zip(self._windows(image, framed, first, down, across), tiles, strict=True):
            self._convolve(windows, some)
        seen = tiles.view(-1, m, m, self.channels)[: down * across].view(down, across, m, m, self.channels)
        self._place(self._pooled(seen) if self.shrink == 2 else seen, result)

    def _windows(self, image: torch.Tensor, framed: bool, first: int, down: int, across: int) -> Iterator[torch.Tensor]:
        """The n x n pixels that each tile comes from, transformed upright, as many at once as are multiplied.

        Yields:
            (tiles, n, n * C), in the last any content beyond the last tile.
        """
        n, stride = len(self.into), self.shrink * self.side
        width, channels = stride * across + 2, image.shape[2]
        upright = self._workspace.take("upright", n, width, channels)
        seen = upright.as_strided((across, n, n * channels), (stride * channels, width * channels, 1))
        windows = self._workspace.take("some", TILES_AT_ONCE, n, n * channels)
        held = 0
        for row in range(down):
            rows = self._rows(image, framed, first + row * stride, n, width)
            torch.mm(self.into, rows.as_strided((n, width * channels), (rows.stride(0), 1)), out=upright.view(n, -1))
            column = 0
            while column < across:
                more = seen[column : column + TILES_AT_ONCE - held]
                windows[held : held + len(more)] = more
                held, column = held + len(more), column + len(more)
                if held == TILES_AT_ONCE:
                    yield windows
                    held = 0
        if held:
            yield windows

    def _convolve(self, windows: torch.Tensor, tiles: torch.Tensor) -> None:
        """(tiles, n, n * C), transformed upright, -> (tiles, m, m, O), without ReLU."""
        many, (m, n), made = TILES_AT_ONCE, self.back.shape, self.channels
        windows = windows.view(many * n, n, -1)
        seen = self._workspace.take("seen", *windows.shape)
        torch.bmm(self.into.expand(many * n, n, n), windows, out=seen)
        products = self._multiply(seen.view(many, -1))
        upright = self._workspace.take("some", many, m, n * made)  # the windows' memory, which are not needed again
        torch.bmm(self.back.expand(many, m, n), products.view(many, n, n * made), out=upright)
        torch.bmm(self.back.expand(many * m, m, n), upright.view(many * m, n, made), out=tiles.view(many * m, m, made))

    def _pooled(self, tiles: torch.Tensor) -> torch.Tensor:
        """(rows, columns, m, m, C) -> (rows, columns, m / 2, m / 2, C)."""
        rows, columns, m, _, channels = tiles.shape
        pairs = tiles.view(rows, columns, m // 2, 2, m, channels)
        flatter = self._workspace.take("upright", rows, columns, m // 2, m, channels)
        torch.maximum(pairs[:, :, :, 0], pairs[:, :, :, 1], out=flatter)
        pairs = flatter.view(rows, columns, m // 2, m // 2, 2, channels)
        pooled = self._workspace.take("tiles", rows, columns, m // 2, m // 2, channels)
        return torch.maximum(pairs[..., 0, :], pairs[..., 1, :], out=pooled)

    def _place(self, tiles: torch.Tensor, result: torch.Tensor) -> None:
        """Write (rows, columns, side, side, C) tiles, no less than the floor, into (rows, width, C)."""
        for rows, down, high in _runs(len(result), self.side):
            for columns, across, wide in _runs(result.shape[1], self.side):
                seen = tiles[rows, columns, :high, :wide].permute(0, 2, 1, 3, 4)  # (rows, high, columns, wide, C)
                torch.clamp_min(seen, self.floor, out=result[down, across].view(seen.shape))


def _runs(length: int, side: int) -> Iterator[tuple[slice, slice, int]]:
    """The tiles that lie within a length, then one that reaches beyond it: which, where, and what is seen of each."""
    whole, rest = divmod(length, side)
    if whole:
        yield slice(whole), slice(whole * side), side
    if rest:
        yield slice(whole, None), slice(whole * side, length), rest


def transformed_filters(weight: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """(O, I, 3, 3) -> (n * n, O, I) by a matrix of n x 3."""
    both = torch.kron(matrix, matrix)
    result = torch.empty(len(both), *weight.shape[:2])
    for first in range(0, len(weight), 32):  # in parts, for in float64 they are as large as 14 times the filters
        part = weight[first : first + 32].double()
        result[:, first : first + 32] = (both @ part.reshape(-1, 9).T).view(-1, *part.shape[:2])
    return result
