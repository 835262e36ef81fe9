"""Peak memory, in the three ways that people count it."""

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
    reserved: float | None
    process: float | None


def peak_of(
    device: torch.device,
    work: Callable[[], object],
    release: Callable[[], None] = lambda: None,
    first: float | None = None,
) -> Memory:
    """Peak memory while something runs, which must have run before.

    - `allocated`: what tensors take, weights included on a GPU, but for those within CUDA graphs, which are allocated
      when a graph is captured and not when it is replayed; on a CPU what torch allocates during the work, and
      nothing of other libraries.
    - `reserved`: what torch has asked the driver for, CUDA graphs included; on a CPU by how much the process grows
      during the work.
    - `process`: all of the process; on a GPU what the driver counts for it, as nvidia-smi shows, CUDA's context
      included; on a CPU its peak resident memory since it started, Python and libraries included.

    Args:
        device: on which the work is done.
        work: what to measure.
        release: gives back what the work keeps from one time to the next, which would not count on a CPU.
        first: what `first_allocated` has told of the same work, which counts if it was more.
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
    process = max(so_far, process_peak())  # before the profiler, which takes memory of its own
    allocated = _allocated(work)
    return {
        "allocated": allocated,
        "reserved": growth,
        "process": process,
    }


def first_allocated(device: torch.device, work: Callable[[], object]) -> float | None:
    """What tensors take at most on a GPU while something runs for the first time, in MiB, weights included.

    In the first run all memory is allocated, and cuDNN has searched for nothing yet. Later ones may replay a CUDA
    graph, whose tensors are no allocations any more. On a CPU nothing runs, and the answer is None.
    """
    if device.type != "cuda":
        return None
    reset_peaks(device)
    work()
    return peaks(device)["allocated"]


def reset_peaks(device: torch.device) -> None:
    """Begin the peaks of a GPU anew; what is cached and free, as after cuDNN's search, would count as reserved."""
    if device.type == "cuda":
        synchronise(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peaks(device: torch.device) -> Memory:
    """Peak memory by the definitions of `peak_of`, since `reset_peaks` on a GPU.

    On a CPU only the process is counted, since it started; `peak_of` also says what some work takes there.
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
    """Memory taken since this was made, by tensors on a GPU, else by the process, in MiB.

    Unlike `peak_of` it also counts what the first work of its kind takes and keeps.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cpu":
            gc.collect()  # or what is collected later would seem to be given back by the work
            trim_heap()
        self._start = self._now()

    def peak(self, work: Callable[[], object]) -> float:
        """The most that is taken while something runs."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            work()
            return torch.cuda.max_memory_allocated(self._device) / MIB - self._start
        gc.collect()
        trim_heap()
        kept = max(0.0, self._now() - self._start)
        growth = _growth(work)
        if growth is None:  # this system tells of no peak
            growth = _allocated(work) or 0.0
        return kept + growth

    def _now(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device) / MIB
        return float(psutil.Process().memory_info().rss) / MIB


_REFUSALS = re.compile(
    r"DefaultCPUAllocator"  # the only error of torch's allocator for CPUs
    r"|out of memory|cudaErrorMemoryAllocation"  # of CUDA's runtime, as torch.AcceleratorError, and of its driver
    r"|STATUS_\w*ALLOC\w*_FAILED"  # of cuDNN, cuBLAS and their relatives
    r"|unable to find (an engine|a valid cuDNN algorithm)",  # all that cuDNN tried lacked a workspace
    re.IGNORECASE,
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory was refused, in whatever words.

    Only torch's own allocator for GPUs has an error type for that. cuDNN's "unable to find an engine" mostly means
    memory, but a broken installation says it too; so who gives up should repeat what the error says.
    """
    return isinstance(error, torch.OutOfMemoryError) or _REFUSALS.search(str(error)) is not None


def trim_heap() -> None:
    """Make the C library give back to the system what is freed, or taking it again would not be seen."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has this
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def process_peak() -> float:
    """Peak resident memory of this process in MiB; where the system tells, without that of its parent."""
    if _STATUS.is_file():
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def _status(name: str) -> float:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _growth(work: Callable[[], object]) -> float | None:
    """By how many MiB the resident memory grows at most; None where the system keeps no peak to reset."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what there is now
    except OSError:
        work()
        return None
    before = psutil.Process().memory_info().rss / MIB
    work()
    return max(0.0, _status("VmHWM") - before)


def _allocated(work: Callable[[], object]) -> float | None:
    """The most MiB that torch's CPU allocator has given out at a time during the work."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it complains where there is no GPU
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
