"""Images of any size in the memory that there is: in tiles, with a margin that makes them one image again."""

import gc
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import NamedTuple

import psutil
import torch

from engine.arrays import Size
from engine.devices.memory import give_back_freed, is_out_of_memory
from engine.errors import InputError
from engine.inference.memory_budget import Capacity
from engine.inference.network import Forward
from engine.inference.receptive_field import ALIGNMENT, Reach

_SMALLER = 0.8
"""Tiles that take too much are planned anew with so many of their pixels."""
_UNWATCHED = 1 << 23
"""Pixels that a CPU is taken to have the memory for."""
_SHARE_OF_FREE = 0.7
_MOST_ELEMENTS = (1 << 31) - 1
"""Of a tensor on a GPU: pooling and many of cuDNN's algorithms count them in 32 bits, and fail beyond."""
_CHANNELS = 64
"""Of the first layer at the image's full size, in VGG and U-Net. So an image has 33,554,431 pixels at most."""
_PADDING = 200
"""Pixels that a network may add to each axis before that layer: the paper's FCNs add 2 * 100, a valid U-Net 184."""
_MIB = 1 << 20


class Span(NamedTuple):
    """A stretch of an axis that a tile is responsible for, and the longer one that it looks at."""

    start: int
    end: int
    first: int
    last: int

    @property
    def seen(self) -> int:
        """Pixels that it looks at."""
        return self.last - self.first


class Grid(NamedTuple):
    """Tiles that cover an image."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def largest_size(self) -> Size:
        """Of the largest tile, margin included."""
        return Size(max(row.seen for row in self.rows), max(column.seen for column in self.columns))

    @property
    def largest(self) -> int:
        """Pixels of the largest tile, margin included."""
        return self.largest_size.pixels

    @property
    def work(self) -> int:
        """Pixels of all tiles, margins included."""
        return sum(row.seen for row in self.rows) * sum(column.seen for column in self.columns)

    @property
    def tiles(self) -> Iterator[tuple[Span, Span]]:
        """Row by row."""
        return product(self.rows, self.columns)


def plan(height: int, width: int, margin: int, most: int) -> Grid:
    """The tiles of no more than `most` pixels that cost the least work, or the smallest there are.

    None is responsible for less than its margin, unless an axis is that short; so work is nine times as much at most.
    """
    rows, columns = ([spans(length, parts, margin) for parts in _parts(length, margin)] for length in (height, width))
    grids = [Grid(*pair) for pair in product(rows, columns)]
    fitting = [grid for grid in grids if grid.largest <= most]
    return min(fitting, key=lambda grid: grid.work) if fitting else min(grids, key=lambda grid: grid.largest)


def _parts(length: int, least: int) -> list[int]:
    """Numbers of parts of an axis that differ in the length of the parts, which is not below the least."""
    units = -(-length // ALIGNMENT)
    smallest = min(units, max(1, least // ALIGNMENT))
    return sorted({-(-units // size) for size in range(smallest, units + 1)})


def spans(length: int, parts: int, margin: int) -> tuple[Span, ...]:
    """An axis in about so many parts, that begin and look at what begins at multiples of the alignment."""
    step = -(-length // (parts * ALIGNMENT)) * ALIGNMENT
    return tuple(
        Span(start, min(start + step, length), max(0, start - margin), min(start + step + margin, length))
        for start in range(0, length, step)
    )


def most_pixels(size: Size, most_elements: int) -> int:
    """Pixels that an image or a piece of it may have, so that its first layer has no more than so many elements.

    Of an image of h x w that layer has 64 (h + 200) (w + 200), which is 64 (h w + 200 (h + w + 200)). The pieces are no
    longer than the image on either axis, so what is bounded for its sides is bounded for theirs. What is half of the
    bound fits in any case, unless it is a strip of more than 80,000 pixels.
    """
    most = most_elements // _CHANNELS
    return max(most // 2, most - _PADDING * (size.height + size.width + _PADDING))


class Tiled:
    """A `Forward` that looks at an image in tiles where it would take too much memory at once.

    The tiles look at a margin as wide as the network's reach, so predictions are those of the whole image; only sums
    may round in another order. Where a network has no such reach, a warning says so.

    Args:
        forward: looks at one tile.
        budget: MiB that a prediction may take beyond weights, image and result; None for what there is.
    """

    def __init__(self, forward: Forward, budget: float | None = None) -> None:
        self.device, self.precision, self.judge = forward.device, forward.precision, forward.judge
        self._forward = forward
        self._budget = budget
        self._capacities: dict[bool, Capacity] = {}
        self._most_elements = _MOST_ELEMENTS if self.device.type == "cuda" else None
        self._limit: int | None = None
        """Pixels with which memory has not run out yet, once it has."""
        self._grids: dict[tuple[Size, bool], Grid | None] = {}
        self._reach: Reach | None = None
        self._told: set[str] = set()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        return self._looked_at(image, logits=False)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits."""
        return self._looked_at(image, logits=True)

    def alone(self, image: torch.Tensor) -> bool:
        """As `Forward.alone`; so are images whose memory is watched."""
        bounded = self._budget is not None or self._limit is not None
        return bounded or self._is_watched(_size(image)) or self._forward.alone(image)

    def require_range(self) -> None:
        """As `Forward.require_range`."""
        self._forward.require_range()

    @property
    def watchful(self) -> bool:
        """Whether it measures what images take, in place of waiting for memory to be refused."""
        return self._budget is not None or self.device.type == "cpu"

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Find out now whether an image fits: what other threads take later would count too.

        Raises:
            InputError: if the budget is too small.
        """
        if self._budget is not None or self._is_watched(size):
            self._grid(size, logits)

    @torch.inference_mode()
    def _looked_at(self, image: torch.Tensor, *, logits: bool) -> torch.Tensor:
        """What there is to see in an image, in as many tiles as it takes."""
        look = self._forward.logits if logits else self._forward
        while True:
            grid = self._grid(_size(image), logits)
            try:
                return look(image) if grid is None else _assembled(image, look, grid)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                said = str(error)
            # Only here, because the exception held on to all tensors.
            self._make_do(_size(image), grid, said)

    def _grid(self, size: Size, logits: bool) -> Grid | None:
        """The tiles for an image; None for one that is looked at as a whole."""
        if (size, logits) not in self._grids:
            self._grids[size, logits] = self._planned(size, self._capacity(size, logits))
        return self._grids[size, logits]

    def _planned(self, size: Size, capacity: Capacity | None) -> Grid | None:
        limit = self._limited(size)
        allowed = size.pixels <= limit
        if allowed and (capacity is None or capacity.fits(size)):
            return None
        if allowed and capacity is not None and self._budget is None:
            self._tell(f"an image of {size} takes more than the {capacity.budget:.0f} MiB of memory that are free")
        tried = capacity is not None and (allowed or capacity.pixels > 0)
        most = min(limit, capacity.pixels if capacity is not None and tried else size.pixels)
        smallest = plan(*size, self._margin(), 0)
        while (grid := plan(*size, self._margin(), most)).largest > smallest.largest:
            if capacity is None or capacity.fits(grid.largest_size):
                return grid
            most = int(_SMALLER * grid.largest)
        if capacity is not None and self._budget is not None:
            needed = capacity.taken(grid.largest_size)
            if math.isinf(needed):
                raise self._no_way(size, grid)
            if needed > self._budget:
                raise InputError(
                    f"--memory_budget {self._budget:g}: even the smallest tiles of an image of {size} take more, "
                    f"{math.ceil(needed)} MiB; give at least that"
                )
        return grid

    def _limited(self, size: Size) -> int:
        """Pixels of an image, or of a tile of it, that may be looked at as far as is known."""
        limit = size.pixels if self._limit is None else self._limit
        return limit if self._most_elements is None else min(limit, most_pixels(size, self._most_elements))

    def _capacity(self, size: Size, logits: bool) -> Capacity | None:
        """What tells which images fit; None where that is seen when memory is refused."""
        if self._budget is None and not self._is_watched(size):
            return None
        if logits not in self._capacities:
            free = _SHARE_OF_FREE * psutil.virtual_memory().available / _MIB
            budget = free if self._budget is None else self._budget
            look = partial(self._forward.unchecked, logits=logits)
            self._capacities[logits] = Capacity(self.device, look, self._forward.release, budget)
        return self._capacities[logits]

    def _is_watched(self, size: Size) -> bool:
        """Whether memory is measured before; for a CPU's is not refused: the system kills who takes too much."""
        return self.device.type == "cpu" and size.pixels > _UNWATCHED

    def _margin(self) -> int:
        if self._reach is None:
            self._reach = self._forward.reach()
            if not self._reach.exact:
                self._tell("this network looks at all of an image at once, so its tiles only come near the whole image")
        return self._reach.margin

    def _make_do(self, size: Size, grid: Grid | None, said: str) -> None:
        """After memory has run out: look at half as many pixels at a time."""
        gc.collect()  # an exception that came from another thread holds on to tensors, and is held by its own traceback
        if self.device.type == "cuda":
            self._forward.release()
            torch.cuda.empty_cache()
        before = size.pixels if grid is None else grid.largest
        if plan(*size, self._margin(), before // 2).largest >= before:
            raise self._no_way(size, grid, said)
        self._limit = before // 2
        self._grids.clear()
        self._tell(f"out of memory for an image of {size}; goes on in tiles, which takes longer")

    def _no_way(self, size: Size, grid: Grid | None, said: str = "") -> InputError:
        """What to say when memory runs out with the smallest tiles."""
        reason = f" ({said.splitlines()[0]})" if said else ""
        pixels = size.pixels if grid is None else grid.largest
        return InputError(
            f"out of memory for an image of {size}, even in tiles of {pixels} pixels on "
            f"{self.device}{reason}; end other programs that use it, or give --accelerator cpu"
        )

    def _tell(self, message: str) -> None:
        """A warning, once."""
        if message not in self._told:
            self._told.add(message)
            print(f"warning: {message}", file=sys.stderr)


def _assembled(image: torch.Tensor, look: Callable[[torch.Tensor], torch.Tensor], grid: Grid) -> torch.Tensor:
    """Look at each tile, and put together what each is responsible for."""
    whole: torch.Tensor | None = None
    for row, column in grid.tiles:
        if image.device.type == "cpu":
            give_back_freed()  # of the tile before; the C library would keep some of it
        tile = image[..., row.first : row.last, column.first : column.last]
        seen = look(tile.contiguous(memory_format=torch.channels_last))
        if whole is None:
            whole = seen.new_empty(*seen.shape[:-2], *image.shape[-2:])
        down, right = row.start - row.first, column.start - column.first
        whole[..., row.start : row.end, column.start : column.end] = seen[
            ..., down : down + row.end - row.start, right : right + column.end - column.start
        ]
    if whole is None:  # pragma: no cover  # there is at least one tile
        raise ValueError("no tiles")
    return whole


def _size(image: torch.Tensor) -> Size:
    return Size(image.shape[-2], image.shape[-1])
