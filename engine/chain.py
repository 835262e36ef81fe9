"""Convolutions one after the other, a few rows at a time, without whole images between them."""

import torch
from torch import nn

from engine.winograd import TILE, TILES_AT_ONCE, Convolution, Crew


class Chain(nn.Module):
    """Runs convolutions depth first: each makes the rows that the next needs, and none twice.

    What lies between them is so small that it stays in the cache, where images of all channels at full size would
    take most of the memory of a prediction.
    """

    def __init__(self, stages: list[Convolution], crew: Crew) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self._stages = tuple(stages)
        self._crew = crew

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 -> (N, C, H, W)."""
        shapes = [(image.shape[-2], image.shape[-1])]
        for stage in self._stages:
            shapes.append(stage.shape(*shapes[-1]))
        (height, width), last = shapes[-1], self._stages[-1]
        result = torch.empty((len(image), height, width, last.channels), dtype=image.dtype)
        side = TILE // last.shrink
        step = side * max(1, self._crew.size * TILES_AT_ONCE // -(-width // side))
        for one, its in zip(image.permute(0, 2, 3, 1), result, strict=True):
            strips = [_Strip(one, len(one), end=len(one)), *self._between(shapes, step), _Strip(its, height)]
            for until in range(step, height + step, step):
                self._advance(strips, len(self._stages), min(until, height))
        return result.permute(0, 3, 1, 2)

    def _between(self, shapes: list[tuple[int, int]], step: int) -> list["_Strip"]:
        """Strips large enough for what lies between two stages while the last makes `step` rows."""
        strips: list[_Strip] = []
        more = 0
        for number in range(len(self._stages) - 1, 0, -1):
            shrink = self._stages[number].shrink
            step, more = shrink * step, shrink * more + 2
            height, width = shapes[number]
            rows = min(height, step + more + 2)
            channels = self._stages[number - 1].channels
            memory = self._crew.workspace.take(f"after {number}", rows, width, channels)
            strips.insert(0, _Strip(memory, height))
        return strips

    def _advance(self, strips: list["_Strip"], number: int, until: int) -> None:
        """Make the rows before `until` of what comes out of a stage, the first of which is number 1."""
        if number == 0 or until <= strips[number].end:
            return
        stage, before, after = self._stages[number - 1], strips[number - 1], strips[number]
        self._advance(strips, number - 1, min(before.height, stage.shrink * until - stage.padding + 2))
        first = stage.shrink * after.end - stage.padding - before.start
        stage.fill(before.held, first, after.add(until - after.end))
        if number > 1:
            before.drop(stage.shrink * until - stage.padding)


class _Strip:
    """Rows of an image, from `start` to `end`, in memory for some of its `height`."""

    def __init__(self, memory: torch.Tensor, height: int, end: int = 0) -> None:
        self._memory, self.height = memory, height
        self.start, self.end = 0, end

    @property
    def held(self) -> torch.Tensor:
        """(rows, W, C)."""
        return self._memory[: self.end - self.start]

    def add(self, rows: int) -> torch.Tensor:
        """Place for as many more rows."""
        self.end += rows
        return self.held[-rows:]

    def drop(self, until: int) -> None:
        """Forget the rows before one."""
        kept = self.held[until - self.start :].clone()
        self._memory[: len(kept)] = kept
        self.start = self.end - len(kept)
