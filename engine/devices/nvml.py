"""What NVIDIA's driver counts for a GPU, by its library NVML: the memory of a process, and energy."""

import os
import time
from typing import NamedTuple

import torch

from engine.arrays import MIB

_LONGEST_STEP = 0.3
"""Seconds after which the energy counter is taken to stand still; it moves every 20 to 100 ms."""


class Reading(NamedTuple):
    """What the driver counts, or why it does not."""

    value: float | None
    missing: str | None = None
    """Why there is no value; None on a CPU too, which has no such driver."""


def process_memory(device: torch.device) -> Reading:
    """MiB of this process, as nvidia-smi shows them, the CUDA context included."""
    if device.type != "cuda":
        return Reading(None)
    import pynvml

    try:
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses(_handle(device))
    except pynvml.NVMLError as error:
        return Reading(None, f"NVML says: {error}")
    for process in processes:
        if process.pid == os.getpid():
            if process.usedGpuMemory is None:
                return Reading(None, "the driver lists this process without its memory")
            return Reading(process.usedGpuMemory / MIB)
    return Reading(None, "the driver does not list this process, as in containers and on parts of a GPU (MIG)")


def joules(device: torch.device) -> Reading:
    """Joules that the whole GPU has used since its driver was loaded."""
    if device.type != "cuda":
        return Reading(None)
    import pynvml

    try:
        return Reading(pynvml.nvmlDeviceGetTotalEnergyConsumption(_handle(device)) / 1000)
    except pynvml.NVMLError as error:
        return Reading(None, f"NVML says: {error}")


def joules_at_step(device: torch.device) -> Reading:
    """The same just after the counter has moved.

    It stands still for up to 100 ms, in which a GPU may use 70 joules; so what lies between two readings at steps is
    what was used between them.
    """
    first = joules(device)
    until = time.perf_counter() + _LONGEST_STEP
    while first.value is not None and time.perf_counter() < until:
        time.sleep(0.001)
        now = joules(device)
        if now.value != first.value:
            return now
    return first


def _handle(device: torch.device) -> object:
    import pynvml

    pynvml.nvmlInit()
    handle: object = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    return handle
