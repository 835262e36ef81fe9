"""Images of any size in bounded memory: in tiles where the whole image would take too much."""

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

_SHRINK = 0.8
"""Factor on the pixels of tiles that took too much memory."""
_UNMEASURED = 1 << 23
"""Most pixels of an image that a CPU predicts without measuring memory."""
_SHARE_OF_FREE = 0.7
"""Share of the free memory that a prediction on a CPU may take without a budget."""
_MAX_ELEMENTS = (1 << 31) - 1
"""Most elements of a tensor on a GPU: pooling and many of cuDNN's algorithms count in 32 bits, and fail beyond.

The first layer has 64 channels, so images of more than 33,554,431 pixels are always predicted in tiles there.
"""
_MIB = 1 << 20


class TiledSegmenter:
    """A `Segmenter` that predicts an image in tiles where the whole image takes too much memory.

    Tiles have a margin as wide as the network's receptive field, so predictions are those of the whole image, except
    that sums may round in another order. A warning says if no margin is wide enough.

    Args:
        forward: predicts one tile.
        budget: memory budget in MiB, in addition to weights, image and result; None uses the available memory.
        max_pixels: most pixels of an image or tile; None for any number.
        max_elements: most elements of a tensor; None for the limit of the device.
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
        """Memory budgets with their measurements, for ids (False) and for logits (True)."""
        self._grids: dict[tuple[Size, bool], Grid | None] = {}
        self._limit = max_pixels
        """Most pixels of an image or tile; reduced when memory runs out."""
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
        """Implement `Segmenter.require_finite`."""
        self._forward.require_finite()

    @property
    def bounds_memory(self) -> bool:
        """Whether memory is measured before predictions, instead of waiting until a GPU refuses it."""
        return self._budget is not None or self.device.type == "cpu"

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Implement `Segmenter.prepare`; memory that other threads take meanwhile would be counted too.

        Raises:
            InputError: if the budget is too small.
        """
        if self._is_measured(size):
            self.grid(size, logits=logits)

    @torch.inference_mode()
    def _run(self, image: torch.Tensor, *, logits: bool) -> torch.Tensor:
        """Predict an image, whole or in tiles that fit in memory."""
        run = self._forward.logits if logits else self._forward
        while True:
            grid = self.grid(_size(image), logits=logits)
            try:
                return run(image) if grid is None else _assembled(image, run, grid)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Retry outside `except`: the exception keeps all tensors alive.
            self._halve_limit(_size(image), grid, reason)

    def grid(self, size: Size, *, logits: bool = False) -> Grid | None:
        """The grid of tiles for an image of that size; None if it is predicted as a whole.

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
        """The grid of tiles with at most that many pixels; None if the whole image has no more."""
        return None if size.pixels <= pixels else plan(*size, self._margin(), pixels)

    def _grid_in_budget(self, size: Size, budget: MemoryBudget) -> Grid | None:
        """The grid of the largest tiles that fit in memory, found by trying smaller and smaller ones.

        Raises:
            InputError: if the smallest tiles do not fit in a budget that was given.
        """
        limit = self._max_pixels(size)
        if size.pixels <= limit:
            if budget.fits(size):
                return None
            limit = budget.max_pixels
            if self._budget is None:
                share = f"{budget.mib:.0f} MiB, {_SHARE_OF_FREE:.0%} of the free memory"
                self._warn(f"an image of {size} takes more than {share}; predicts it in tiles")
        elif budget.max_pixels:
            limit = min(limit, budget.max_pixels)
        smallest = plan(*size, self._margin(), 0)
        while (grid := plan(*size, self._margin(), limit)).largest > smallest.largest:
            if budget.fits(grid.largest_size):
                return grid
            limit = int(_SHRINK * grid.largest)
        if self._budget is not None:
            self._require_fit(size, grid, budget.peak(grid.largest_size))
        return grid

    def _require_fit(self, size: Size, grid: Grid, needed: float) -> None:
        """Refuse a budget in which not even the smallest tiles fit, which need `needed` MiB."""
        if math.isinf(needed):
            raise self._out_of_memory(size, grid)
        if self._budget is not None and needed > self._budget:
            raise InputError(
                f"--memory_budget {self._budget:g}: even the smallest tiles of an image of {size} take "
                f"{math.ceil(needed)} MiB; give at least that"
            )

    def _max_pixels(self, size: Size) -> int:
        """Most pixels of an image of that size, or of a tile of it, as far as limits are known."""
        limit = size.pixels if self._limit is None else self._limit
        return limit if self._max_elements is None else min(limit, max_pixels(size, self._max_elements))

    def _is_measured(self, size: Size) -> bool:
        """Whether the memory of such images is measured before predicting them.

        On a CPU, allocation does not fail; the system ends a process that takes too much memory.
        """
        return self._budget is not None or (self.device.type == "cpu" and size.pixels > _UNMEASURED)

    def _measured_budget(self, logits: bool) -> MemoryBudget:
        """The memory budget for ids or for logits; without a given budget, a share of the free memory."""
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
                self._warn("no margin is wide enough for this network, so tiles only approximate the whole image")
        return self._field.margin

    def _halve_limit(self, size: Size, grid: Grid | None, reason: str) -> None:
        """Halve the pixels of a tile, after memory has run out.

        Raises:
            InputError: if tiles cannot be smaller.
        """
        gc.collect()  # an exception from another thread is in a cycle with its traceback, which keeps tensors alive
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
        """The error for memory that runs out even with the smallest tiles."""
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
    """Predict each tile, and assemble the results without their margins."""
    whole: torch.Tensor | None = None
    for row, column in grid.tiles:
        if image.device.type == "cpu":
            trim_heap()  # memory of the previous tile, some of which the C library would keep
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
