"""The table of a profile stage by stage; what is measured is in tests/test_testing_command.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.devices import memory, nvml
from engine.files.images import read_image, write_png
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


def test_a_killed_profile_leaves_no_file_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scratch = tmp_path / ".profile.part"
    seen: list[list[Path]] = []
    ids = torch.zeros(4, 6, dtype=torch.uint8)

    class Pretended:
        device = torch.device("cpu")
        encode = staticmethod(lambda pixels, path: write_png(path, pixels))
        decode = staticmethod(read_image)
        transfer = staticmethod(lambda image: seen.append(list(tmp_path.iterdir())))
        forward = staticmethod(lambda _: ids)
        fetch = staticmethod(lambda _: ids.numpy())

    image = tmp_path / "a.png"
    write_png(image, np.zeros((4, 6, 3), np.uint8))
    result = stages.profile(Pretended(), [image] * 3, scratch, precision="32-true", warm_up=2)  # type: ignore[arg-type]
    assert seen == [[image]] * 5
    assert list(tmp_path.iterdir()) == [image]
    assert result["images"] == 3
    assert result["warm_up"] == 2
    assert capsys.readouterr().err == "profile: 3 images after 2 to warm up, one at a time\n"
