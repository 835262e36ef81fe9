"""Memory and energy from a fake driver."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch

from engine.devices import nvml

GPU = torch.device("cuda:0")


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="1234"))
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: uuid)


def listed(monkeypatch: pytest.MonkeyPatch, *processes: tuple[int, int | None]) -> nvml.Reading:
    found = [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in processes]
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda _: found)
    return nvml.process_memory(GPU)


def test_memory_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(monkeypatch, (os.getpid() + 1, 7 << 20), (os.getpid(), 9 << 20)) == nvml.Reading(9.0)


def test_missing_values_of_the_driver_have_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not list this process, as in containers" in str(
        listed(monkeypatch, (os.getpid() + 1, 7 << 20)).missing
    )
    assert "without its memory" in str(listed(monkeypatch, (os.getpid(), None)).missing)

    def refused(_: object) -> Any:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", refused)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", refused)
    for reading in (nvml.process_memory(GPU), nvml.joules(GPU), nvml.joules_at_step(GPU)):
        assert reading.value is None
        assert "Not Supported" in str(reading.missing)


def test_a_cpu_has_neither_value_nor_reason() -> None:
    cpu = torch.device("cpu")
    assert nvml.process_memory(cpu) == nvml.joules(cpu) == nvml.joules_at_step(cpu) == nvml.Reading(None)


@pytest.mark.parametrize(("step", "expected"), [(0.1, 700.0), (1e9, 0.0)])
def test_energy_is_read_when_the_counter_moves(monkeypatch: pytest.MonkeyPatch, step: float, expected: float) -> None:
    now = [0.95 * step if step < 1 else 0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda _: 1000 * 7000 * step * int(now[0] / step)
    )
    assert nvml.joules_at_step(GPU).value == pytest.approx(expected)
    assert now[0] < 0.5, "a counter that stands still is not waited for"
