import pytest
import torch

from engine.profiling import roofline


@pytest.mark.parametrize(("device", "works"), [("cpu", 2 + 3), ("cuda", 6 + 3)])
def test_a_gpu_is_warmed_up_until_its_clock_has_risen(device: str, works: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of 0.05 s is repeated six times until 0.3 s have passed, instead of twice."""
    now, done = [0.0], []
    monkeypatch.setattr("engine.profiling.roofline.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(roofline, "synchronise", lambda _: None)

    def work() -> None:
        done.append(now[0])
        now[0] += 0.0501

    assert roofline._best(torch.device(device), 3, work) == pytest.approx(0.0501)
    assert len(done) == works
