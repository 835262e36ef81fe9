"""Throughput of an epoch, and the share of time in which the device waits for data."""

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
"""Data-wait share of an epoch above which a warning is printed."""


class DataWait:
    """Data wait: the time in which a device is idle because the next batch is not loaded yet.

    A GPU still works on a step while Python waits for the next batch, so the waiting time of Python says little.
    Therefore CUDA events record when the GPU finishes a step and when it receives the next one. On a CPU both are the
    same.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._intervals: list[tuple[Any, Any]] = []
        self._began = self._now()

    def end(self) -> None:
        """End an interval of waiting: the next batch is there."""
        self._intervals.append((self._began, self._now()))

    def begin(self) -> None:
        """Begin an interval of waiting, which starts when the device has finished the work it was given."""
        self._began = self._now()

    def seconds(self) -> float:
        """Total waiting time in seconds; the device must have finished its work."""
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
    """Measures the throughput and data wait of one epoch, with a progress bar.

    Args:
        fabric: processes of the job.
        title: title of the progress bar.
        steps: number of steps of the whole epoch.
        done: number of steps done before an interruption.
    """

    def __init__(self, fabric: Fabric, title: str, steps: int, done: int) -> None:
        self.fabric, self.title, self.steps, self.done = fabric, title, steps, done
        self.began = time.perf_counter()
        self.trained = self.began
        self.data_wait = DataWait(fabric.device)
        self.waited = 0.0
        self.images = 0

    def timed(self, loaded: Iterable[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the batches, and measure the time spent waiting for them."""
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
        """Columns of the history: throughput, data wait, memory and duration of this epoch."""
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
        """Warning if a GPU waits for data for more than 20 % of the epoch, otherwise None."""
        share = self.waited / (self.trained - self.began)
        if self.fabric.device.type != "cuda" or share < _MUCH_WAITING:
            return None
        return (
            f"warning: the GPU waited for data {100 * share:.0f} % of the time; raise --workers, or give --cache FOLDER"
        )
