"""Memory of a process and energy of a GPU, from NVIDIA's driver by its library NVML."""

import os
import time
from typing import NamedTuple

import torch

from engine.arrays import MIB

_LONGEST_STEP = 0.3
"""Seconds to wait for a step of the energy counter, which is updated every 20 to 100 ms."""


class Reading(NamedTuple):
    """A value from the driver, or the reason why it is missing."""

    value: float | None
    """Value from the driver; None if it is missing."""
    missing: str | None = None
    """Reason why the value is missing; None on a CPU, which has no such driver."""


def process_memory(device: torch.device) -> Reading:
    """MiB of this process on the GPU, like nvidia-smi, with the CUDA context."""
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
    """Joules that the whole GPU has consumed since its driver was loaded."""
    if device.type != "cuda":
        return Reading(None)
    import pynvml

    try:
        return Reading(pynvml.nvmlDeviceGetTotalEnergyConsumption(_handle(device)) / 1000)
    except pynvml.NVMLError as error:
        return Reading(None, f"NVML says: {error}")


def joules_at_step(device: torch.device) -> Reading:
    """Joules as in `joules`, read just after a step of the counter.

    The counter is constant for up to 100 ms, in which a GPU may consume 70 joules. The difference of two readings at
    steps is therefore the energy between them.
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
