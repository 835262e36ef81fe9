"""Peak memory by three definitions: allocated, reserved, and of the process."""

import contextlib
import ctypes
import gc
import json
import os
import re
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import psutil
import torch

from engine.arrays import MIB
from engine.devices import nvml
from engine.devices.device import synchronise

_STATUS = Path("/proc/self/status")


class Memory(TypedDict):
    """Peak memory in MiB by the definitions of `peak_of`; None where it cannot be measured."""

    allocated: float | None
    """Peak of tensors in MiB."""
    reserved: float | None
    """Peak of the allocator in MiB."""
    process: float | None
    """Peak of the whole process in MiB."""


def peak_of(
    device: torch.device,
    work: Callable[[], object],
    release: Callable[[], None] = lambda: None,
    first: float | None = None,
) -> Memory:
    """Peak memory during work that has run at least once before.

    - `allocated`: memory of tensors. On a GPU it includes weights, but not tensors of CUDA graphs, which are allocated
      when a graph is captured and not when it is replayed. On a CPU it is what torch allocates during the work,
      without other libraries.
    - `reserved`: memory that torch holds from the driver, CUDA graphs included. On a CPU it is the growth of the
      process during the work.
    - `process`: memory of the whole process. On a GPU it is what the driver counts for it, like nvidia-smi, with the
      CUDA context. On a CPU it is the peak resident memory since the start, with Python and libraries.

    Args:
        device: that runs the work.
        work: to measure.
        release: frees memory that the work keeps between calls; otherwise it would not be counted on a CPU.
        first: result of `first_allocated` for the same work, which counts if it is larger.
    """
    if device.type == "cuda":
        reset_peaks(device)
        work()
        found = peaks(device)
        found["allocated"] = max(found["allocated"] or 0.0, first or 0.0)
        return found
    so_far = process_peak()
    release()
    trim_heap()
    growth = _growth(work)
    process = max(so_far, process_peak())  # before the profiler, which takes memory too
    allocated = _allocated(work)
    return {
        "allocated": allocated,
        "reserved": growth,
        "process": process,
    }


def first_allocated(device: torch.device, work: Callable[[], object]) -> float | None:
    """Peak MiB of tensors on a GPU during the first run of some work, weights included; None on a CPU, without a run.

    The first run allocates all memory, before any search of cuDNN. Later runs may replay a CUDA graph, whose tensors
    are not allocated again.
    """
    if device.type != "cuda":
        return None
    reset_peaks(device)
    work()
    return peaks(device)["allocated"]


def reset_peaks(device: torch.device) -> None:
    """Reset the peaks of a GPU and free its cache, which would count as reserved, for example after cuDNN's search."""
    if device.type == "cuda":
        synchronise(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peaks(device: torch.device) -> Memory:
    """Peak memory by the definitions of `peak_of`, on a GPU since `reset_peaks`.

    On a CPU it is only the peak of the process since its start; `peak_of` also measures the memory of some work there.
    """
    if device.type != "cuda":
        return {"allocated": None, "reserved": None, "process": process_peak()}
    synchronise(device)
    return {
        "allocated": torch.cuda.max_memory_allocated(device) / MIB,
        "reserved": torch.cuda.max_memory_reserved(device) / MIB,
        "process": nvml.process_memory(device).value,
    }


class MemoryMeter:
    """Memory since the creation of this meter in MiB: of tensors on a GPU, otherwise of the process.

    Unlike `peak_of` it also counts memory that the first run of some work takes and keeps.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cpu":
            gc.collect()  # otherwise a later collection would look like memory that the work frees
            trim_heap()
        self._start = self._now()

    def peak(self, work: Callable[[], object]) -> float:
        """Peak memory in MiB while some work runs."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            work()
            return torch.cuda.max_memory_allocated(self._device) / MIB - self._start
        gc.collect()
        trim_heap()
        kept = max(0.0, self._now() - self._start)
        growth = _growth(work)
        if growth is None:  # the system does not report a peak
            growth = _allocated(work) or 0.0
        return kept + growth

    def _now(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device) / MIB
        return float(psutil.Process().memory_info().rss) / MIB


_REFUSALS = re.compile(
    r"DefaultCPUAllocator"  # the only error of torch's CPU allocator
    r"|out of memory|cudaErrorMemoryAllocation"  # errors of the CUDA runtime (torch.AcceleratorError) and of its driver
    r"|STATUS_\w*ALLOC\w*_FAILED"  # errors of cuDNN, cuBLAS and related libraries
    r"|unable to find (an engine|a valid cuDNN algorithm)",  # cuDNN lacked memory for the workspace of each algorithm
    re.IGNORECASE,
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that an allocation of memory failed.

    Only torch's GPU allocator has an error class for it. cuDNN's "unable to find an engine" mostly means a lack of
    memory, but also a broken installation; so a caller that gives up should repeat the text of the error.
    """
    return isinstance(error, torch.OutOfMemoryError) or _REFUSALS.search(str(error)) is not None


def trim_heap() -> None:
    """Return freed memory to the system; otherwise allocations that reuse it would not change the resident memory."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has malloc_trim
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def process_peak() -> float:
    """Peak resident memory of this process in MiB; on Linux without that of its parent before the fork."""
    if _STATUS.is_file():
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def _status(name: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _growth(work: Callable[[], object]) -> float | None:
    """Largest growth of the resident memory in MiB during some work; None if the system cannot reset its peak."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the present value
    except OSError:
        work()
        return None
    before = psutil.Process().memory_info().rss / MIB
    work()
    return max(0.0, _status("VmHWM") - before)


def _allocated(work: Callable[[], object]) -> float | None:
    """Peak MiB that torch's CPU allocator has allocated during the work, from torch's profiler."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise it prints a warning without a GPU
    activities = [torch.profiler.ProfilerActivity.CPU]
    # acc_events says nothing about a single cycle, but without it torch 2.11 warns of several.
    with torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profiled:
        work()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    now = peak = 0
    for event in sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"]):
        now += event["args"]["Bytes"]
        peak = max(peak, now)
    return peak / MIB if peak else None
