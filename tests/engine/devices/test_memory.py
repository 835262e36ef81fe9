"""Recognition of failed allocations, and peak memory."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from engine.devices import memory, nvml

CPU = torch.device("cpu")
GPU = torch.device("cuda:0")
MIB = 1 << 20


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB"),
        torch.AcceleratorError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in the manual"),
        torch.AcceleratorError("CUDA driver error: out of memory"),
        torch.AcceleratorError("cudaErrorMemoryAllocation"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_failed_allocations_are_recognised_in_all_wordings(error: RuntimeError) -> None:
    assert memory.is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`"),
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_other_errors_are_not_failed_allocations(error: RuntimeError) -> None:
    assert not memory.is_out_of_memory(error)


def test_a_failed_allocation_of_the_system_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert memory.is_out_of_memory(caught.value)


class Card:
    """A fake GPU whose allocator reports given values."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.allocated, self.reserved = 100, 900
        self.peak = self.reserved_peak = 800
        answers: dict[str, Callable[[object], object]] = {
            "synchronize": lambda _: None,
            "reset_peak_memory_stats": lambda _: self.reset(),
            "max_memory_allocated": lambda _: self.peak * MIB,
            "max_memory_reserved": lambda _: self.reserved_peak * MIB,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: setattr(self, "reserved", self.allocated))
        monkeypatch.setattr(nvml, "process_memory", lambda _: nvml.Reading(1500.0))

    def reset(self) -> None:
        self.peak, self.reserved_peak = self.allocated, self.reserved

    def take(self, mib: int) -> None:
        self.peak = max(self.peak, self.allocated + mib)
        self.reserved = max(self.reserved, self.allocated + mib)
        self.reserved_peak = max(self.reserved_peak, self.reserved)


def test_the_peak_of_a_gpu_excludes_earlier_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch)
    found = memory.peak_of(GPU, lambda: card.take(250))
    assert found == {"allocated": 350, "reserved": 350, "process": 1500}


def test_the_first_run_counts_tensors_of_a_replayed_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch)
    first = memory.first_allocated(GPU, lambda: card.take(250))
    assert first == 350
    assert memory.peak_of(GPU, lambda: card.take(0), first=first)["allocated"] == 350
    assert memory.peak_of(GPU, lambda: card.take(300), first=first)["allocated"] == 400, "another algorithm"
    ran = SimpleNamespace(times=0)
    assert memory.first_allocated(torch.device("cpu"), lambda: setattr(ran, "times", 1)) is None
    assert ran.times == 0, "on a CPU peak_of measures"


def test_peaks_since_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch)
    memory.reset_peaks(GPU)
    card.take(50)
    assert memory.peaks(GPU) == {"allocated": 150, "reserved": 150, "process": 1500}


def test_peaks_of_a_cpu_are_those_of_its_process() -> None:
    memory.reset_peaks(CPU)
    found = memory.peaks(CPU)
    assert (found["allocated"], found["reserved"]) == (None, None)
    assert found["process"] == pytest.approx(memory.process_peak(), rel=0.1)
