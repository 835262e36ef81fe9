import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from lightning_fabric import Fabric

from engine.data.dataset import Batch
from engine.training.throughput import ThroughputMeter

BATCH = (torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4))


class Clock:
    """Simulated time of Python and of a GPU with a queue of work; it passes only when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.busy_until = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        clock = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = max(clock.now, clock.busy_until)

            def elapsed_time(self, later: "Event") -> float:
                return 1e3 * (later.at - self.at)

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: self.wait())

    def wait(self) -> None:
        self.now = max(self.now, self.busy_until)

    def loading(self, seconds: float, batches: int) -> Iterator[Batch]:
        for _ in range(batches):
            self.now += seconds
            yield BATCH

    def launch(self, seconds: float) -> None:
        """Give the GPU work, which takes Python no time."""
        self.busy_until = max(self.now, self.busy_until) + seconds


def meter_on(kind: str) -> ThroughputMeter:
    fabric = SimpleNamespace(device=torch.device(kind), world_size=1, is_global_zero=False)
    return ThroughputMeter(fabric, "epoch 1", 10, 0)  # type: ignore[arg-type]


def test_a_cpu_waits_while_a_batch_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    its = ThroughputMeter(Fabric(accelerator="cpu"), "epoch 1", 10, 0)
    for _ in its.timed(clock.loading(1.0, 10)):
        clock.now += 3.0
    columns = its.columns()
    assert columns["data_wait"] == pytest.approx(0.25)
    assert columns["images_per_second"] == pytest.approx(20 / 40)
    assert its.warning() is None


def test_a_gpu_that_is_busy_while_python_waits_does_not_starve(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    its = meter_on("cuda")
    for _ in its.timed(clock.loading(1.0, 10)):
        clock.launch(0.95)
    assert its.waited == pytest.approx(1.0 + 9 * 0.05)
    assert its.warning() is None


def test_a_gpu_that_waits_for_data_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    its = meter_on("cuda")
    for _ in its.timed(clock.loading(1.0, 10)):
        clock.launch(0.5)
    # 10.5 s: the first batch takes 1 s, each of the other nine comes 0.5 s after the GPU has finished.
    assert its.waited / (its.trained - its.began) == pytest.approx(5.5 / 10.5)
    assert "waited for data 52 % of the time" in str(its.warning())
