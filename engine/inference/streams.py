"""Images on their way through a GPU: uploads, forward passes and downloads side by side.

    upload     image 1 | image 2 | image 3 |
    compute            | image 1 | image 2 | image 3 |
    download                     | ids 1   | ids 2   | ids 3 |

A forward pass waits for its own upload only, and a download for its own forward pass only.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from engine.arrays import UInt8Array
from engine.devices.memory import is_out_of_memory

IN_FLIGHT = 3
"""Forward passes that a GPU is given before the first of them is done.

More than one, so that it never waits for Python; and few, because each has its image and its ids in the GPU's memory.
"""
_FEWEST = 10
"""Images that tell which bounds."""
_MOST_PINNED = 1 << 28
"""Bytes of a tensor that may lie in page-locked memory; the system has too little of that for larger ones."""


class Download(NamedTuple):
    """A prediction on its way from a GPU, or in memory already."""

    prediction: torch.Tensor
    """(H, W), in memory; on a GPU's behalf to be read after the event only."""
    arrived: torch.cuda.Event | None = None


class Streams:
    """CUDA streams for uploads and downloads, beside the current one, which computes.

    All is given to the GPU by one thread; any thread may wait for downloads. Threads that wait sleep, where CUDA would
    have them spin, because decoding needs the cores.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._up, self._down, self._side = (_stream(device) for _ in range(3))
        self._started: torch.cuda.Event | None = None
        self._in_flight: deque[tuple[torch.cuda.Event | None, torch.cuda.Event]] = deque()
        """When forward passes that may not be done begin and end."""
        self._done: torch.cuda.Event | None = None
        self._times: list[tuple[float, float]] = []
        """Milliseconds of each forward pass before which there was another: without an image, and with one."""

    def upload(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) in memory -> the same on the GPU, for which what is computed next waits."""
        self._retire(IN_FLIGHT - 1)
        compute = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._up):
            there = image.to(self._device, non_blocking=True)
        compute.wait_stream(self._up)
        there.record_stream(compute)  # it may still be read when it is dropped here
        self._started = _recorded(compute)
        return there

    def download(self, prediction: torch.Tensor) -> Download:
        """(H, W) that is being computed -> the same on its way to memory, as soon as it is computed."""
        done = _recorded(torch.cuda.current_stream(self._device))
        self._in_flight.append((self._started, done))
        self._started = None
        self._retire(IN_FLIGHT)
        self._down.wait_event(done)
        with torch.cuda.stream(self._down):
            memory = _host_memory(prediction.shape, prediction.dtype)
            memory.copy_(prediction, non_blocking=True)
            prediction.record_stream(self._down)
        return Download(memory, _recorded(self._down))

    def side_stream(self) -> Any:
        """A context in which little things are read from the GPU, without waiting for anything else on it."""
        return torch.cuda.stream(self._side)

    def idle_share(self) -> float | None:
        """The share of the time in which the GPU had no image to look at; None after fewer than 10 images.

        It is that of the later half of the images: the first ones also wait for cuDNN's search, or to be compiled.
        Waits for the GPU to finish.
        """
        self._retire(0)
        if len(self._times) + 1 < _FEWEST:
            return None
        idle, busy = (sum(times) for times in zip(*self._times[len(self._times) // 2 :], strict=True))
        share: float = idle / (idle + busy)
        return share

    def _retire(self, left: int) -> None:
        """Wait until no more than so many forward passes are left to do."""
        while len(self._in_flight) > left:
            begun, done = self._in_flight.popleft()
            done.synchronize()
            if begun is not None and self._done is not None:
                self._times.append((self._done.elapsed_time(begun), begun.elapsed_time(done)))
            self._done = done


def pinned_copy(image: UInt8Array) -> torch.Tensor:
    """A copy of an image in page-locked memory, from which a GPU takes it while Python goes on."""
    copy = _host_memory(image.shape, torch.uint8)
    np.copyto(copy.numpy(), image)
    return copy


def _host_memory(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Memory of any content that a GPU reads and writes by itself, which torch keeps for the next tensor of that size.

    Where there is too little of it, other memory: copies from there are right too, but Python waits for them.
    """
    if math.prod(shape) * dtype.itemsize <= _MOST_PINNED:
        try:
            return torch.empty(shape, dtype=dtype, pin_memory=True)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    return torch.empty(shape, dtype=dtype)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _recorded(stream: torch.cuda.Stream) -> torch.cuda.Event:
    """An event that comes when the stream has done what it has been given so far."""
    event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
    event.record(stream)
    return event
