"""Convolutions one after the other, a few rows at a time, without whole images between them."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import torch
from torch import nn

from engine.convolution import Convolution
from engine.workspace import Workspace


class Crew:
    """Threads that each run torch's operations alone: for many small ones this beats sharing out each of them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,))

    @property
    def size(self) -> int:
        """How many jobs are best done at once for the thread that asks: the others may have work of their own."""
        return torch.get_num_threads()

    def do(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run the jobs, and return when all are done; if some fail, the first of their exceptions is raised."""
        if len(jobs) == 1:
            jobs[0]()
            return
        running = [self._pool.submit(_inferring, job) for job in jobs]
        wait(running)
        for done in running:
            done.result()


def _inferring(job: Callable[[], None]) -> None:
    with torch.inference_mode():  # which holds for one thread only
        job()


class Chain(nn.Module):
    """Runs convolutions depth first: each makes the rows that the next needs.

    What lies between them is so small that it stays in the cache, where images of all channels at full size would
    take most of the memory of a prediction. Each thread makes a band of the result; what it needs of its neighbours'
    it makes itself, so that none waits for another.
    """

    def __init__(self, stages: list[Convolution], workspace: Workspace, crew: Crew) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self._stages = tuple(stages)
        self._offsets = _offsets(stages)
        self._workspace, self._crew = workspace, crew

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 -> (N, C, H, W)."""
        shapes = [(image.shape[-2], image.shape[-1])]
        for stage in self._stages:
            shapes.append(stage.shape(*shapes[-1]))
        (height, width), last = shapes[-1], self._stages[-1]
        result = self._workspace.lend(len(image), height, width, last.channels)
        band = max(last.step(width), last.side * -(-height // (last.side * self._crew.size)))
        jobs = [
            functools.partial(self._make, shapes, one, its, top, min(top + band, height))
            for one, its in zip(image.permute(0, 2, 3, 1), result, strict=True)
            for top in range(0, height, band)
        ]
        self._crew.do(jobs)
        return result.permute(0, 3, 1, 2)

    def _make(
        self, shapes: list[tuple[int, int]], image: torch.Tensor, result: torch.Tensor, top: int, bottom: int
    ) -> None:
        """Make the rows of the result from `top` to `bottom`, some at a time."""
        strips = [_Strip(image, 0, len(image), full=True), *self._between(shapes, top)]
        strips.append(_Strip(result[top:bottom], top, len(result)))
        self._advance(strips, len(self._stages), bottom)

    def _between(self, shapes: list[tuple[int, int]], top: int) -> list["_Strip"]:
        """Empty strips for what lies between two stages while the last makes rows from `top` on."""
        strips: list[_Strip] = []
        for number in range(len(self._stages) - 1, 0, -1):
            stage, maker = self._stages[number], self._stages[number - 1]
            top = self._boundary(number, stage.shrink * top - stage.padding)
            height, width = shapes[number]
            seen = stage.shrink * stage.step(shapes[number + 1][1]) + 2
            squares = -(-seen // maker.side)
            if stage.shrink * stage.side % maker.side:  # then they come up to one too early at either end
                squares += 2
            name = f"{len(self._stages) - number} from the end"  # those of other chains are about as large
            margins = stage.margins(width)
            shape = min(height, maker.side * squares), margins[0] + width + margins[1], maker.channels
            strips.insert(0, _Strip(self._workspace.take(name, *shape), max(0, top), height, margins))
        return strips

    def _boundary(self, number: int, row: int, *, up: bool = False) -> int:
        """The next row from which squares of results of a stage begin, the first of which is number 1.

        Those rows do not depend on the band, so that sums are rounded in each as they are in the whole image; and
        they are such that a stage needs squares of the one before it that are whole.
        """
        side, offset = self._stages[number - 1].side, self._offsets[number - 1]
        return offset + side * (-((offset - row) // side) if up else (row - offset) // side)

    def _advance(self, strips: list["_Strip"], number: int, until: int) -> None:
        """Make the rows before `until` of what comes out of a stage, the first of which is number 1."""
        if number == 0:
            return
        stage, before, after = self._stages[number - 1], strips[number - 1], strips[number]
        until = min(after.height, self._boundary(number, until, up=True))
        step = stage.step(after.width)
        while after.end < until:
            whole = self._boundary(number, after.end, up=True)
            end = min(until, whole if after.end < whole else whole + step)  # the first square may be cut off above
            needed = stage.shrink * end - stage.padding
            self._advance(strips, number - 1, min(before.height, needed + 2))
            first = stage.shrink * after.end - stage.padding - before.start
            stage.fill(before.held, before.framed, first, after.add(end - after.end))
            before.drop(needed)


def _offsets(stages: Sequence[Convolution]) -> list[int]:
    """For each stage, the first row from which a square of results begins that is whole."""
    offsets = [0]
    for stage, maker in zip(stages[:0:-1], stages[-2::-1], strict=True):
        offsets.insert(0, (stage.shrink * offsets[0] - stage.padding + 2) % maker.side)
    return offsets


class _Strip:
    """Rows of an image of some height, from `start` to `end`, in memory for some of them.

    Args:
        memory: (rows, left + W + right, C).
        start: the first row.
        height: of the image.
        margins: columns left and right in memory that are to be zeros; None for none, or if nobody asks for them.
        full: whether all rows are there from the beginning.
    """

    def __init__(
        self,
        memory: torch.Tensor,
        start: int,
        height: int,
        margins: tuple[int, int] | None = None,
        *,
        full: bool = False,
    ) -> None:
        left, right = margins or (0, 0)
        self.framed, self.height, self.width = margins is not None, height, memory.shape[1] - left - right
        self.start, self.end = start, height if full else start
        self._memory, self._columns = memory, slice(left, left + self.width)
        memory[:, :left].zero_()
        memory[:, left + self.width :].zero_()
        self._place = 0
        """Of the first row in memory."""

    @property
    def held(self) -> torch.Tensor:
        """(rows, left + W + right, C)."""
        return self._memory[self._place : self._place + self.end - self.start]

    def add(self, rows: int) -> torch.Tensor:
        """(rows, W, C) place for as many more rows."""
        if self._place + self.end - self.start + rows > len(self._memory):
            kept = self.held.clone()
            self._memory[: len(kept)] = kept
            self._place = 0
        self.end += rows
        return self.held[-rows:, self._columns]

    def drop(self, until: int) -> None:
        """Forget the rows before one."""
        forgotten = max(0, min(until, self.end) - self.start)
        self._place += forgotten
        self.start += forgotten
