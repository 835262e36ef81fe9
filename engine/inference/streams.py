"""CUDA streams of a prediction: uploads, forward passes and downloads overlap.

    upload     image 1 | image 2 | image 3 |
    compute            | image 1 | image 2 | image 3 |
    download                     | ids 1   | ids 2   | ids 3 |

A forward pass waits only for its own upload, and a download only for its own forward pass.
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
"""Most forward passes that are submitted before the first of them is done.

Several, so that the GPU never waits for Python; few, because each holds an image and its ids in the GPU's memory.
"""
_MIN_IMAGES = 10
"""Fewest images that give an idle share."""
_MAX_PINNED = 1 << 28
"""Most bytes of a tensor in page-locked memory, of which a system has little."""


class Download(NamedTuple):
    """A prediction that is being downloaded from a GPU, or is in memory already."""

    prediction: torch.Tensor
    """(H, W) in memory; valid only after the event, if there is one."""
    arrived: torch.cuda.Event | None = None


class Streams:
    """CUDA streams for uploads and downloads, next to the current stream, which computes.

    One thread submits all work to the GPU; any thread may wait for downloads. Waiting threads sleep instead of
    spinning, CUDA's default, because decoding needs the cores.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._up, self._down, self._side = (_stream(device) for _ in range(3))
        self._started: torch.cuda.Event | None = None
        self._in_flight: deque[tuple[torch.cuda.Event | None, torch.cuda.Event]] = deque()
        """Start and end events of forward passes that may not be done yet."""
        self._done: torch.cuda.Event | None = None
        self._times: list[tuple[float, float]] = []
        """(idle, busy) milliseconds of each forward pass except the first."""

    def upload(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) in memory -> the same on the GPU; the next forward pass waits for it."""
        self._retire(IN_FLIGHT - 1)
        compute = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._up):
            uploaded = image.to(self._device, non_blocking=True)
        compute.wait_stream(self._up)
        uploaded.record_stream(compute)  # the forward pass may still read it after the last reference is gone
        self._started = _recorded(compute)
        return uploaded

    def download(self, prediction: torch.Tensor) -> Download:
        """(H, W) that is being computed -> its download, which starts as soon as it is computed."""
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
        """A context for reading small tensors from the GPU without waiting for its other streams."""
        return torch.cuda.stream(self._side)

    def idle_share(self) -> float | None:
        """Share of the time in which the GPU had no image to work on; None after fewer than 10 images.

        Only the later half of the images counts, because the first ones also wait for cuDNN's search or compilation.
        Waits for the GPU to finish.
        """
        self._retire(0)
        if len(self._times) + 1 < _MIN_IMAGES:
            return None
        idle, busy = (sum(times) for times in zip(*self._times[len(self._times) // 2 :], strict=True))
        share: float = idle / (idle + busy)
        return share

    def _retire(self, left: int) -> None:
        """Wait until at most `left` forward passes are in flight."""
        while len(self._in_flight) > left:
            begun, done = self._in_flight.popleft()
            done.synchronize()
            if begun is not None and self._done is not None:
                self._times.append((self._done.elapsed_time(begun), begun.elapsed_time(done)))
            self._done = done


def pinned_copy(image: UInt8Array) -> torch.Tensor:
    """A copy of an image in page-locked memory, from which a GPU copies it asynchronously."""
    copy = _host_memory(image.shape, torch.uint8)
    np.copyto(copy.numpy(), image)
    return copy


def _host_memory(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Uninitialised page-locked memory, which torch reuses for the next tensor of that size.

    Falls back to pageable memory if there is too little. Copies from there are correct too, but Python waits for them.
    """
    if math.prod(shape) * dtype.itemsize <= _MAX_PINNED:
        try:
            return torch.empty(shape, dtype=dtype, pin_memory=True)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    return torch.empty(shape, dtype=dtype)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _recorded(stream: torch.cuda.Stream) -> torch.cuda.Event:
    """An event that completes when the stream has done the work submitted so far."""
    event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
    event.record(stream)
    return event
