"""How fast an epoch goes, and what it waits for."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import psutil
import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from engine.arrays import MIB
from engine.devices.device import synchronise
from engine.devices.fabric import progress_bar_disabled
from engine.training.run import Row

_MUCH_WAITING = 0.2
"""The share of waiting from which a GPU is told to starve."""


class DataWait:
    """The time in which a device had nothing to do because there was no batch.

    A GPU works on while Python already waits for the next batch, so how long Python waits says little. There the
    GPU itself notes when it is through with a step and when it gets the next one; on a CPU the two are the same.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._intervals: list[tuple[Any, Any]] = []
        self._began = self._now()

    def end(self) -> None:
        """A gap ends."""
        self._intervals.append((self._began, self._now()))

    def begin(self) -> None:
        """A gap begins as soon as the device is through with what it was given."""
        self._began = self._now()

    def seconds(self) -> float:
        """The sum of all gaps; the device must have finished."""
        if self._on_gpu:
            return float(sum(began.elapsed_time(ended) for began, ended in self._intervals)) / 1e3
        return float(sum(ended - began for began, ended in self._intervals))

    def _now(self) -> Any:
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


class ThroughputMeter:
    """Times one epoch, with a progress bar.

    Args:
        fabric: the processes of the job.
        title: of the progress bar.
        steps: of the whole epoch.
        done: of these, steps from before an interruption.
    """

    def __init__(self, fabric: Fabric, title: str, steps: int, done: int) -> None:
        self.fabric, self.title, self.steps, self.done = fabric, title, steps, done
        self.began = time.perf_counter()
        self.trained = self.began
        self.data_wait = DataWait(fabric.device)
        self.waited = 0.0
        self.images = 0

    def timed(self, loaded: Iterable[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, ...]]:
        """The batches, while the time spent waiting for them is noted."""
        hidden = progress_bar_disabled(self.fabric)
        with tqdm(total=self.steps, initial=self.done, desc=self.title, disable=hidden, leave=False) as bar:
            for batch in loaded:
                self.data_wait.end()
                self.images += len(batch[0]) * self.fabric.world_size
                yield batch
                self.data_wait.begin()
                bar.update()
        synchronise(self.fabric.device)
        self.trained = time.perf_counter()
        self.waited = self.data_wait.seconds()

    def columns(self) -> Row:
        """What to put into the history about this epoch."""
        seconds = self.trained - self.began
        on_gpu = self.fabric.device.type == "cuda"
        return {
            "images_per_second": self.images / seconds,
            "data_wait": self.waited / seconds,
            "gpu_memory_mib": torch.cuda.max_memory_allocated(self.fabric.device) / MIB if on_gpu else None,
            "process_memory_mib": psutil.Process().memory_info().rss / MIB,
            "seconds": time.perf_counter() - self.began,
        }

    def warning(self) -> str | None:
        """A line about a GPU that waits for data, None if it does not."""
        share = self.waited / (self.trained - self.began)
        if self.fabric.device.type != "cuda" or share < _MUCH_WAITING:
            return None
        return (
            f"warning: the GPU waited for data {100 * share:.0f} % of the time; raise --workers, or give --cache FOLDER"
        )
