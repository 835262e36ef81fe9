"""The table of a profile stage by stage; what is measured is in tests/test_testing_command.py."""

from typing import Any

import pytest
import torch

from engine.devices import memory, nvml
from engine.profiling import stages

MEASURED = {
    "device": "some",
    "precision": "32-true",
    "image_size": ["256x128"],
    "images": 3,
    "warm_up": 2,
    "milliseconds": {"decode": {"median": 1.0, "p95": 2.0}},
}


def lines(**changes: Any) -> list[str]:
    return stages.table({**MEASURED, **changes}).splitlines()


def test_memory_on_a_cpu_is_that_of_the_process() -> None:
    found = stages._memory(torch.device("cpu"))
    assert found.pop("process") is not None
    assert found == {"allocated": None, "reserved": None, "host": None}
    content = {"allocated": None, "reserved": None, "process": 300.4, "host": None}
    assert lines(memory_mib=content, not_measured={})[3:] == ["process memory: 300 MiB"]


def test_memory_on_a_gpu_has_all_three_definitions_and_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 100 << 20)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 200 << 20)
    monkeypatch.setattr(nvml, "process_memory", lambda _: nvml.Reading(None, "not listed"))
    monkeypatch.setattr(memory, "process_peak", lambda: 400.0)
    content = stages._memory(torch.device("cuda", 0))
    assert lines(memory_mib=content, not_measured={"process": "not listed"})[3:] == [
        "allocated memory: 100 MiB",
        "reserved memory: 200 MiB",
        "process memory: not measured (not listed)",
        "host memory: 400 MiB",
    ]
