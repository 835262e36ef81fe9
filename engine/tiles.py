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

from engine.faults import InputError
from engine.inference import Forward
from engine.memory import Meter, give_back_freed
from engine.reach import ALIGNMENT, Reach

_FIRST_TRIAL = 256
"""Side of the first image from which it is seen how memory grows with pixels."""
_LAST_TRIAL = 1 << 22
"""Pixels of the largest one."""
_RESERVE = 0.9
"""Share of a budget that is planned with."""
_UNWATCHED = 1 << 23
"""Pixels that a CPU is taken to have the memory for."""
_SHARE_OF_FREE = 0.7
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
    def largest_size(self) -> tuple[int, int]:
        """Height and width of the largest tile, margin included."""
        return max(row.seen for row in self.rows), max(column.seen for column in self.columns)

    @property
    def largest(self) -> int:
        """Pixels of the largest tile, margin included."""
        return math.prod(self.largest_size)

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
        self._budget, self._meter = budget, Meter(forward.device)
        self._most: int | None = None if budget is None else self._pixels_within(budget)
        self._reach: Reach | None = None
        self._told: set[str] = set()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        return self._looked_at(image, self._forward)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits."""
        return self._looked_at(image, self._forward.logits)

    def alone(self, image: torch.Tensor) -> bool:
        """As `Forward.alone`; so are images whose memory is watched."""
        watched = self._most is not None or image.shape[-2] * image.shape[-1] > _UNWATCHED
        return watched or self._forward.alone(image)

    @torch.inference_mode()
    def _looked_at(self, image: torch.Tensor, look: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """What there is to see in an image, in as many tiles as it takes."""
        size = image.shape[-2], image.shape[-1]
        while True:
            grid = self._grid(*size)
            try:
                return look(image) if grid is None else _assembled(image, look, grid)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
            # Only here, for the exception held on to all tensors.
            self._make_do(size, grid)

    def _grid(self, height: int, width: int) -> Grid | None:
        """The tiles for an image; None for one that is looked at as a whole."""
        if self._most is None and self.device.type == "cpu" and height * width > _UNWATCHED:
            # A CPU's memory is not refused: the system kills the process that takes too much.
            free = _SHARE_OF_FREE * psutil.virtual_memory().available / _MIB
            self._most = self._pixels_within(free)
            if height * width > self._most:
                self._tell(f"an image of {height} x {width} takes more than the {free:.0f} MiB of memory that are free")
        if self._most is None or height * width <= self._most:
            return None
        grid = plan(height, width, self._margin(), self._most)
        if grid.largest > self._most and self._budget is not None:
            needed = self._peak(*grid.largest_size)
            if needed > self._budget:
                raise InputError(
                    f"--memory_budget {self._budget:g}: even the smallest tiles of an image of {height} x {width} take "
                    f"more, {math.ceil(needed)} MiB; give at least that"
                )
            self._most = grid.largest
        return grid

    def _margin(self) -> int:
        if self._reach is None:
            self._reach = self._forward.reach()
            if not self._reach.exact:
                self._tell("this network looks at all of an image at once, so its tiles only come near the whole image")
        return self._reach.margin

    def _make_do(self, size: tuple[int, int], grid: Grid | None) -> None:
        """After memory has run out: look at half as many pixels at a time."""
        gc.collect()  # an exception that came from another thread holds on to tensors, and is held by its own traceback
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        height, width = size
        before = height * width if grid is None else grid.largest
        if plan(height, width, self._margin(), before // 2).largest >= before:
            raise InputError(
                f"out of memory for an image of {height} x {width}, even in tiles of {before} pixels on "
                f"{self.device}; end other programs that use it, or give --accelerator cpu"
            )
        self._most = before // 2
        self._tell(f"out of memory for an image of {height} x {width}; goes on in tiles, which takes longer")

    def _tell(self, message: str) -> None:
        """A warning, once."""
        if message not in self._told:
            self._told.add(message)
            print(f"warning: {message}", file=sys.stderr)

    def _pixels_within(self, budget: float) -> int:
        """How many pixels can be looked at in so many MiB, from images for trial that grow as far as those allow."""
        height = width = _FIRST_TRIAL
        slopes: list[float] = []  # MiB a pixel
        taken = each = fixed = 0.0
        fitting = 1
        while len(slopes) < 2 or (height * width <= _LAST_TRIAL and fixed + each * height * width <= budget):
            before, taken = taken, self._peak(height, width)
            if taken <= _RESERVE * budget:
                fitting = height * width
            more = height * width / 2 if slopes else height * width  # than the image before
            slopes.append(max((taken - before) / more, 1 / _MIB))
            each = max(slopes[1:][-2:] or slopes)  # as memory grows by steps; the first has all that is fixed in it
            fixed = max(0.0, taken - each * height * width)
            height, width = width, 2 * height
        return max(fitting, int((_RESERVE * budget - fixed) / each))

    def _peak(self, height: int, width: int) -> float:
        """MiB that looking at an image takes at most, with what is held ready for that."""
        image = torch.zeros(1, 3, height, width, dtype=torch.uint8, device=self.device)
        return self._meter.peak(partial(self._forward.unchecked, image))


def _assembled(image: torch.Tensor, look: Callable[[torch.Tensor], torch.Tensor], grid: Grid) -> torch.Tensor:
    """Look at each tile, and put together what each is responsible for."""
    whole: torch.Tensor | None = None
    for row, column in grid.tiles:
        if image.device.type == "cpu":
            give_back_freed()  # of the tile before; the C library would keep some of it
        seen = look(image[..., row.first : row.last, column.first : column.last].contiguous())
        if whole is None:
            whole = seen.new_empty(*seen.shape[:-2], *image.shape[-2:])
        down, right = row.start - row.first, column.start - column.first
        whole[..., row.start : row.end, column.start : column.end] = seen[
            ..., down : down + row.end - row.start, right : right + column.end - column.start
        ]
    if whole is None:  # pragma: no cover  # there is at least one tile
        raise ValueError("no tiles")
    return whole


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory was refused, which CPUs say by an error of no type of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
