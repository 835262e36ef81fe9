"""Convolutions of 3 x 3 by Winograd's minimal filtering, for CPUs (Lavin and Gray 2016, arXiv:1509.09308).

Tiles of 4 x 4 results take 36 multiplications a channel in place of 144. The image is worked through a few rows of
tiles at a time, so that what lies between the steps stays in the cache; bias, ReLU and pooling are done there too.
"""

import torch
from torch import nn
from torch.nn import functional

_TILE = 4
_WINDOW = _TILE + 2
_TILES_AT_ONCE = 256
_PIXELS_AT_ONCE = 1 << 15
_FEWEST_CHANNELS = 16
"""With fewer channels in, the plain convolution is faster."""

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
_FLAT = _WINDOW + 1
"""The place in a transformed tile from which a value reaches all 16 results unchanged: where the bias is added."""


class Workspace:
    """Memory that is used again and again, since fresh memory costs as much time as filling it."""

    def __init__(self) -> None:
        self._blocks: dict[str, torch.Tensor] = {}

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """A contiguous tensor of any content in the block of that name; it overwrites what was there."""
        size = torch.Size(shape).numel()
        if name not in self._blocks or len(self._blocks[name]) < size:
            self._blocks.pop(name, None)
            self._blocks[name] = torch.empty(size)
        return self._blocks[name][:size].view(shape)


class Convolution(nn.Module):
    """A 3 x 3 convolution with what follows it: ReLU, and 2 x 2 max pooling.

    Args:
        plain: of stride 1, with zeros around.
        relu: whether negative results become 0.
        pool: whether results are pooled.
        workspace: may be shared by convolutions that run one after the other.
    """

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, workspace: Workspace) -> None:
        super().__init__()
        self.padding = int(plain.padding[0])
        self.floor = 0.0 if relu else -torch.inf
        self.pool = pool
        self.channels = plain.out_channels
        self.transformed = plain.in_channels >= _FEWEST_CHANNELS
        bias = torch.zeros(plain.out_channels) if plain.bias is None else plain.bias.detach()
        self._workspace = workspace
        self.weight: torch.Tensor
        self.bias: torch.Tensor
        self.into: torch.Tensor
        self.back: torch.Tensor
        weight = transformed_filters(plain.weight.detach()) if self.transformed else plain.weight.detach()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.register_buffer("into", torch.kron(_INPUT, _INPUT).float(), persistent=False)
        self.register_buffer("back", torch.kron(_OUTPUT, _OUTPUT).float(), persistent=False)

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result for an image of that height and width."""
        lost = 2 - 2 * self.padding
        shrink = 2 if self.pool else 1
        return (height - lost) // shrink, (width - lost) // shrink

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 -> the same with other channels and, if pooled, half the sides."""
        height, width = self.shape(*image.shape[-2:])
        result = torch.empty((len(image), height, width, self.channels), dtype=image.dtype, device=image.device)
        self.fill(image, result)
        return result.permute(0, 3, 1, 2)

    def fill(self, image: torch.Tensor, result: torch.Tensor) -> None:
        """Write the result for (N, C, H, W) into (N, H, W, C)."""
        work = self._tiles if self.transformed else self._rows
        for one, its in zip(image.permute(0, 2, 3, 1), result, strict=True):
            work(one, its)

    def _rows(self, image: torch.Tensor, result: torch.Tensor) -> None:
        """By the plain convolution, some rows at a time."""
        step = max(2, _PIXELS_AT_ONCE // max(1, image.shape[1]) // 2 * 2)
        shrink = 2 if self.pool else 1
        for top in range(0, shrink * len(result), step):
            first, last = top - self.padding, min(top + step, shrink * len(result)) - self.padding + 2
            rows = image[max(0, first) : last].permute(2, 0, 1)[None]
            rows = functional.pad(rows, (self.padding, self.padding, max(0, -first), max(0, last - len(image))))
            rows = rows.contiguous(memory_format=torch.channels_last)
            done = functional.conv2d(rows, self.weight, self.bias)[0].permute(1, 2, 0)
            if self.pool:
                wide = 2 * result.shape[1]
                done = torch.maximum(done[::2], done[1::2])
                done = torch.maximum(done[:, 0:wide:2], done[:, 1:wide:2])
            torch.clamp_min(done, self.floor, out=result[top // shrink : top // shrink + len(done)])

    def _tiles(self, image: torch.Tensor, result: torch.Tensor) -> None:
        """By transformed tiles, some rows of tiles at a time."""
        shrink = 2 if self.pool else 1
        side = _TILE // shrink
        down, across = -(-len(result) // side), -(-result.shape[1] // side)
        rows = max(1, _TILES_AT_ONCE // across)
        rows = -(-down // -(-down // rows))
        for top in range(0, down, rows):
            many = min(rows, down - top)
            tiles = self._convolved(self._windows(image, top, many, across), self.channels)
            tiles = tiles.view(_TILE, _TILE, many, across, self.channels)
            if self.pool:
                tiles = self._pooled(tiles)
            self._place(tiles, result, top * side)

    def _windows(self, image: torch.Tensor, top: int, many: int, across: int) -> torch.Tensor:
        """(H, W, C) -> (36, tiles, C), the windows of 6 x 6 pixels that `many` rows of tiles from `top` on need."""
        (height, width, channels), pad = image.shape, self.padding
        rows = self._workspace.take("rows", _TILE * many + 2, _TILE * across + 2, channels)
        first = _TILE * top - pad
        above, below = max(0, -first), max(0, min(len(rows), height - first))
        seen = min(width, rows.shape[1] - pad)
        rows[:above].zero_()
        rows[below:].zero_()
        rows[:, :pad].zero_()
        rows[:, pad + seen :].zero_()
        rows[above:below, pad : pad + seen] = image[first + above : first + below, :seen]
        down, right = rows.stride(0), rows.stride(1)
        windows = self._workspace.take("windows", _WINDOW, _WINDOW, many, across, channels)
        windows.copy_(rows.as_strided(windows.shape, (down, right, _TILE * down, _TILE * right, 1)))
        return windows.view(_WINDOW * _WINDOW, many * across, channels)

    def _convolved(self, windows: torch.Tensor, channels: int) -> torch.Tensor:
        """(36, tiles, C) windows -> (16, tiles * channels) results, without ReLU."""
        flat, (places, tiles, _) = windows.flatten(1), windows.shape
        seen = self._workspace.take("seen", *flat.shape)
        torch.mm(self.into, flat, out=seen)
        products = self._workspace.take("products", places, tiles, channels)
        torch.bmm(seen.view_as(windows), self.weight, out=products)
        products[_FLAT] += self.bias
        return torch.mm(
            self.back, products.flatten(1), out=self._workspace.take("results", len(self.back), tiles * channels)
        )

    def _pooled(self, tiles: torch.Tensor) -> torch.Tensor:
        """(4, 4, rows, columns, C) -> (2, 2, rows, columns, C)."""
        half = _TILE // 2
        pairs = tiles.view(half, 2, *tiles.shape[1:])
        flatter = self._workspace.take("windows", half, *tiles.shape[1:])
        torch.maximum(pairs[:, 0], pairs[:, 1], out=flatter)
        pairs = flatter.view(half, half, 2, *tiles.shape[2:])
        pooled = self._workspace.take("seen", half, half, *tiles.shape[2:])
        return torch.maximum(pairs[:, :, 0], pairs[:, :, 1], out=pooled)

    def _place(self, tiles: torch.Tensor, result: torch.Tensor, top: int) -> None:
        """Write (side, side, rows, columns, C) tiles, no less than the floor, into (H, W, C) from a row on."""
        tiles = tiles.permute(2, 0, 3, 1, 4)  # (rows, side, columns, side, C)
        high, wide = tiles.shape[0] * tiles.shape[1], tiles.shape[2] * tiles.shape[3]
        if top + high <= len(result) and wide == result.shape[1]:
            whole = result[top : top + high].view(tiles.shape)
            torch.clamp_min(tiles, self.floor, out=whole)
        else:  # the last tiles reach beyond the result
            part = tiles.clamp_min(self.floor).reshape(high, wide, -1)
            result[top : top + high] = part[: len(result) - top, : result.shape[1]]


class Chain(nn.Module):
    """Convolutions one after the other; what lies between them is in memory that is used again."""

    def __init__(self, stages: list[Convolution], workspace: Workspace) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self._workspace = workspace

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 -> (N, C, H, W)."""
        *first, last = self.stages
        for number, stage in enumerate(first):
            assert isinstance(stage, Convolution)
            shape = (len(image), *stage.shape(*image.shape[-2:]), stage.channels)
            between = self._workspace.take(f"between {number % 2}", *shape)
            stage.fill(image, between)
            image = between.permute(0, 3, 1, 2)
        result: torch.Tensor = last(image)
        return result


def transformed_filters(weight: torch.Tensor) -> torch.Tensor:
    """(O, I, 3, 3) -> (36, I, O)."""
    seen = torch.einsum("ai,bj,ocij->abco", _FILTER, _FILTER, weight.double().cpu())
    return seen.flatten(0, 1).to(weight).contiguous()
