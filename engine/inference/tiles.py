"""Images of any size in the memory that there is: in tiles where the whole image would take too much."""

import gc
import math
import sys
from collections.abc import Callable
from functools import partial

import psutil
import torch

from engine.arrays import Size
from engine.devices.memory import is_out_of_memory, trim_heap
from engine.errors import InputError
from engine.inference.grid import Grid, max_pixels, plan
from engine.inference.memory_budget import MemoryBudget
from engine.inference.network import NetworkSegmenter
from engine.inference.receptive_field import ReceptiveField

_SMALLER = 0.8
"""Tiles that take too much are planned anew with so many of their pixels."""
_UNWATCHED = 1 << 23
"""Pixels that a CPU is taken to have the memory for."""
_SHARE_OF_FREE = 0.7
"""Share of a CPU's free memory that an image may take without a budget."""
_MAX_ELEMENTS = (1 << 31) - 1
"""Elements of a tensor on a GPU: pooling and many of cuDNN's algorithms count them in 32 bits, and fail beyond.

So an image has 33,554,431 pixels at most, or goes through in tiles.
"""
_MIB = 1 << 20


class TiledSegmenter:
    """A `Segmenter` that runs a network on tiles of an image where the whole image takes too much memory.

    Tiles have a margin as wide as the network's receptive field, so predictions are those of the whole image; only sums
    may round in another order. Where a network has no such field, a warning says so.

    Args:
        forward: runs on one tile.
        budget: MiB that a prediction may take beyond weights, image and result; None for what there is.
        max_pixels: of an image or tile that the network is given; None for any number.
        max_elements: of a tensor; None for what the device can count.
    """

    def __init__(
        self,
        forward: NetworkSegmenter,
        budget: float | None = None,
        *,
        max_pixels: int | None = None,
        max_elements: int | None = None,
    ) -> None:
        self.device, self.precision, self.classify = forward.device, forward.precision, forward.classify
        self._forward = forward
        self._budget = budget
        self._measured_budgets: dict[bool, MemoryBudget] = {}
        """What fits in memory, by whether logits are asked for."""
        self._grids: dict[tuple[Size, bool], Grid | None] = {}
        self._limit = max_pixels
        """Pixels that the network may be given; once memory has run out, with which it has not yet."""
        self._max_elements = max_elements or (_MAX_ELEMENTS if self.device.type == "cuda" else None)
        self._field: ReceptiveField | None = None
        self._warned: set[str] = set()

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        return self._run(image, logits=False)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits."""
        return self._run(image, logits=True)

    def require_finite(self) -> None:
        """As `Segmenter.require_finite`."""
        self._forward.require_finite()

    @property
    def bounds_memory(self) -> bool:
        """Whether it measures what images take, in place of waiting for memory to be refused."""
        return self._budget is not None or self.device.type == "cpu"

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """As `Segmenter.prepare`: what other threads take later would count too.

        Raises:
            InputError: if the budget is too small.
        """
        if self._is_measured(size):
            self.grid(size, logits=logits)

    @torch.inference_mode()
    def _run(self, image: torch.Tensor, *, logits: bool) -> torch.Tensor:
        """The prediction of an image, in as many tiles as it takes."""
        run = self._forward.logits if logits else self._forward
        while True:
            grid = self.grid(_size(image), logits=logits)
            try:
                return run(image) if grid is None else _assembled(image, run, grid)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Not within `except`, because the exception holds on to all tensors.
            self._halve_limit(_size(image), grid, reason)

    def grid(self, size: Size, *, logits: bool = False) -> Grid | None:
        """The tiles for an image of that size; None for one that is predicted as a whole.

        Raises:
            InputError: if not even the smallest tiles fit in a budget.
        """
        if (size, logits) not in self._grids:
            self._grids[size, logits] = (
                self._grid_in_budget(size, self._measured_budget(logits))
                if self._is_measured(size)
                else self._grid_within(size, self._max_pixels(size))
            )
        return self._grids[size, logits]

    def _grid_within(self, size: Size, pixels: int) -> Grid | None:
        """Tiles of no more than so many pixels."""
        return None if size.pixels <= pixels else plan(*size, self._margin(), pixels)

    def _grid_in_budget(self, size: Size, budget: MemoryBudget) -> Grid | None:
        """The largest tiles that fit in memory, found by trying ever smaller ones.

        Raises:
            InputError: if the smallest ones do not fit in a budget that was given.
        """
        limit = self._max_pixels(size)
        if size.pixels <= limit:
            if budget.fits(size):
                return None
            limit = budget.max_pixels
            if self._budget is None:
                self._warn(f"an image of {size} takes more than the {budget.mib:.0f} MiB of memory that are free")
        elif budget.max_pixels:
            limit = min(limit, budget.max_pixels)
        smallest = plan(*size, self._margin(), 0)
        while (grid := plan(*size, self._margin(), limit)).largest > smallest.largest:
            if budget.fits(grid.largest_size):
                return grid
            limit = int(_SMALLER * grid.largest)
        if self._budget is not None:
            self._require_fit(size, grid, budget.peak(grid.largest_size))
        return grid

    def _require_fit(self, size: Size, grid: Grid, needed: float) -> None:
        """Refuse a budget in which not even the smallest tiles fit; they need so many MiB."""
        if math.isinf(needed):
            raise self._out_of_memory(size, grid)
        if self._budget is not None and needed > self._budget:
            raise InputError(
                f"--memory_budget {self._budget:g}: even the smallest tiles of an image of {size} take more, "
                f"{math.ceil(needed)} MiB; give at least that"
            )

    def _max_pixels(self, size: Size) -> int:
        """Pixels of an image, or of a tile of it, that the network may be given as far as is known."""
        limit = size.pixels if self._limit is None else self._limit
        return limit if self._max_elements is None else min(limit, max_pixels(size, self._max_elements))

    def _is_measured(self, size: Size) -> bool:
        """Whether memory is measured before it is taken.

        A CPU's is not refused: the system kills who takes too much.
        """
        return self._budget is not None or (self.device.type == "cpu" and size.pixels > _UNWATCHED)

    def _measured_budget(self, logits: bool) -> MemoryBudget:
        """What tells which images fit."""
        if logits not in self._measured_budgets:
            free = _SHARE_OF_FREE * psutil.virtual_memory().available / _MIB
            budget = free if self._budget is None else self._budget
            run = partial(self._forward.trial, logits=logits)
            self._measured_budgets[logits] = MemoryBudget(self.device, run, self._forward.release, budget)
        return self._measured_budgets[logits]

    def _margin(self) -> int:
        if self._field is None:
            self._field = self._forward.receptive_field()
            if not self._field.exact:
                self._warn("this network looks at all of an image at once, so its tiles only come near the whole image")
        return self._field.margin

    def _halve_limit(self, size: Size, grid: Grid | None, reason: str) -> None:
        """After memory has run out: give the network half as many pixels at a time.

        Raises:
            InputError: if tiles cannot be smaller.
        """
        gc.collect()  # an exception that came from another thread holds on to tensors, and is held by its own traceback
        if self.device.type == "cuda":
            self._forward.release()
            torch.cuda.empty_cache()
        before = size.pixels if grid is None else grid.largest
        if plan(*size, self._margin(), before // 2).largest >= before:
            raise self._out_of_memory(size, grid, reason)
        self._limit = before // 2
        self._grids.clear()
        self._warn(f"out of memory for an image of {size}; continues in tiles, which takes longer")

    def _out_of_memory(self, size: Size, grid: Grid | None, reason: str = "") -> InputError:
        """What to say when memory runs out with the smallest tiles."""
        detail = f" ({reason.splitlines()[0]})" if reason else ""
        pixels = size.pixels if grid is None else grid.largest
        return InputError(
            f"out of memory for an image of {size}, even in tiles of {pixels} pixels on "
            f"{self.device}{detail}; end other programs that use it, or give --accelerator cpu"
        )

    def _warn(self, message: str) -> None:
        """Print a warning, once."""
        if message not in self._warned:
            self._warned.add(message)
            print(f"warning: {message}", file=sys.stderr)


def _assembled(image: torch.Tensor, run: Callable[[torch.Tensor], torch.Tensor], grid: Grid) -> torch.Tensor:
    """Run on each tile, and put together what each is responsible for."""
    whole: torch.Tensor | None = None
    for row, column in grid.tiles:
        if image.device.type == "cpu":
            trim_heap()  # of the tile before; the C library would keep some of it
        tile = image[..., row.first : row.last, column.first : column.last]
        result = run(tile.contiguous(memory_format=torch.channels_last))
        if whole is None:
            whole = result.new_empty(*result.shape[:-2], *image.shape[-2:])
        down, right = row.start - row.first, column.start - column.first
        whole[..., row.start : row.end, column.start : column.end] = result[
            ..., down : down + row.end - row.start, right : right + column.end - column.start
        ]
    if whole is None:  # pragma: no cover  # there is at least one tile
        raise ValueError("no tiles")
    return whole


def _size(image: torch.Tensor) -> Size:
    return Size(image.shape[-2], image.shape[-1])
