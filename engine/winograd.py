"""Convolutions of 3 x 3 by Winograd's minimal filtering, for CPUs (Lavin and Gray 2016, arXiv:1509.09308).

Tiles of 4 x 4 results take 36 multiplications a channel in place of 144. The image is worked through a few rows of
tiles at a time, so that what lies between the steps stays in the cache; bias, ReLU and pooling are done there too.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn
from torch.nn import functional

TILE = 4
_WINDOW = TILE + 2
TILES_AT_ONCE = 128
"""Of one thread."""
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
            blocks[name] = torch.empty(size)
        return blocks[name][:size].view(shape)


class Crew:
    """Threads that each run torch's operations alone: for many small ones this beats sharing out each of them."""

    def __init__(self) -> None:
        self.size = torch.get_num_threads()
        self.workspace = Workspace()
        self._pool: ThreadPoolExecutor | None = None

    def do(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run the jobs, and return when all are done."""
        if self.size == 1:
            for job in jobs:
                job()
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size, initializer=torch.set_num_threads, initargs=(1,))
        for done in [self._pool.submit(_inferring, job) for job in jobs]:
            done.result()


def _inferring(job: Callable[[], None]) -> None:
    with torch.inference_mode():  # which holds for one thread only
        job()


class Convolution(nn.Module):
    """A 3 x 3 convolution with what follows it: ReLU, and 2 x 2 max pooling.

    Args:
        plain: of stride 1, with zeros around.
        relu: whether negative results become 0.
        pool: whether results are pooled.
        crew: does the work; may be shared by convolutions that run one after the other.
    """

    def __init__(self, plain: nn.Conv2d, relu: bool, pool: bool, crew: Crew) -> None:
        super().__init__()
        self.padding = int(plain.padding[0])
        self.floor = 0.0 if relu else -torch.inf
        self.shrink = 2 if pool else 1
        self.channels = plain.out_channels
        self.transformed = plain.in_channels >= _FEWEST_CHANNELS
        bias = torch.zeros(plain.out_channels) if plain.bias is None else plain.bias.detach()
        self._crew, self._workspace = crew, crew.workspace
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
        return (height - lost) // self.shrink, (width - lost) // self.shrink

    def fill(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        """Write rows of the result.

        Args:
            image: (h, W, C) rows of the image; rows beyond them are taken as zeros.
            first: place in `image` of the first row that is needed; negative above it.
            result: (rows, width, channels) to be filled.
        """
        work, step = (self._tiles, self._tiles_step(result)) if self.transformed else (self._rows, _rows_step(image))
        step = max(self.shrink, step) // self.shrink * self.shrink
        self._crew.do(
            [
                functools.partial(work, image, first + top, result[top // self.shrink : (top + step) // self.shrink])
                for top in range(0, self.shrink * len(result), step)
            ]
        )

    def _tiles_step(self, result: torch.Tensor) -> int:
        across = -(-result.shape[1] * self.shrink // TILE)
        return TILE * max(1, TILES_AT_ONCE // across)

    def _rows(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        """By the plain convolution."""
        last = first + self.shrink * len(result) + 2
        rows = image[max(0, first) : max(0, last)].permute(2, 0, 1)[None]
        rows = functional.pad(rows, (self.padding, self.padding, max(0, -first), max(0, last - len(image))))
        rows = rows.contiguous(memory_format=torch.channels_last)
        done = functional.conv2d(rows, self.weight, self.bias)[0].permute(1, 2, 0)
        if self.shrink == 2:
            wide = 2 * result.shape[1]
            done = torch.maximum(done[::2], done[1::2])
            done = torch.maximum(done[:, 0:wide:2], done[:, 1:wide:2])
        torch.clamp_min(done, self.floor, out=result)

    def _tiles(self, image: torch.Tensor, first: int, result: torch.Tensor) -> None:
        """By transformed tiles."""
        side = TILE // self.shrink
        down, across = -(-len(result) // side), -(-result.shape[1] // side)
        tiles = self._convolved(self._windows(image, first, down, across), self.channels)
        tiles = tiles.view(TILE, TILE, down, across, self.channels)
        self._place(self._pooled(tiles) if self.shrink == 2 else tiles, result)

    def _windows(self, image: torch.Tensor, first: int, many: int, across: int) -> torch.Tensor:
        """(h, W, C) -> (36, tiles, C), the windows of 6 x 6 pixels of `many` rows of tiles from row `first` on."""
        (height, width, channels), pad = image.shape, self.padding
        rows = self._workspace.take("rows", TILE * many + 2, TILE * across + 2, channels)
        above, below = max(0, -first), max(0, min(len(rows), height - first))
        seen = min(width, rows.shape[1] - pad)
        rows[:above].zero_()
        rows[below:].zero_()
        rows[:, :pad].zero_()
        rows[:, pad + seen :].zero_()
        rows[above:below, pad : pad + seen] = image[first + above : first + below, :seen]
        down, right = rows.stride(0), rows.stride(1)
        windows = self._workspace.take("windows", _WINDOW, _WINDOW, many, across, channels)
        windows.copy_(rows.as_strided(windows.shape, (down, right, TILE * down, TILE * right, 1)))
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
        half = TILE // 2
        pairs = tiles.view(half, 2, *tiles.shape[1:])
        flatter = self._workspace.take("windows", half, *tiles.shape[1:])
        torch.maximum(pairs[:, 0], pairs[:, 1], out=flatter)
        pairs = flatter.view(half, half, 2, *tiles.shape[2:])
        pooled = self._workspace.take("seen", half, half, *tiles.shape[2:])
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


def _rows_step(image: torch.Tensor) -> int:
    return _PIXELS_AT_ONCE // image.shape[1]


def transformed_filters(weight: torch.Tensor) -> torch.Tensor:
    """(O, I, 3, 3) -> (36, I, O)."""
    result = weight.new_empty(_WINDOW**2, weight.shape[1], weight.shape[0])
    for first in range(0, len(weight), 32):  # in parts, for they are as large as eight times the filters
        part = weight[first : first + 32].double()
        seen = torch.einsum("ai,bj,ocij->abco", _FILTER, _FILTER, part).flatten(0, 1)
        result[..., first : first + 32] = seen
    return result
