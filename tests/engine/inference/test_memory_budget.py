import gc
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.arrays import Size
from engine.devices.memory import MemoryMeter
from engine.inference.memory_budget import MemoryBudget

CPU = torch.device("cpu")


def nothing(*_: object) -> None:
    """Take no memory."""


def metered_budget(budget: float, takes: Callable[[Size], float]) -> tuple[MemoryBudget, list[Size]]:
    """A memory budget whose measurements follow a formula, and the list of its trials."""
    with pytest.MonkeyPatch.context() as patch:  # the meter of a CPU collects garbage, which takes long
        patch.setattr(gc, "collect", nothing)
        found = MemoryBudget(CPU, nothing, nothing, budget)
    tried: list[Size] = []

    def peak(work: Callable[[], object]) -> float:
        size = Size(*work.args[0].shape[-2:])  # type: ignore[attr-defined]
        tried.append(size)
        return takes(size)

    found._meter.peak = peak  # type: ignore[method-assign]
    return found, tried


sizes = st.builds(Size, st.integers(30, 3000), st.integers(30, 3000))


@settings(max_examples=40)
@given(sizes, st.floats(0, 200), st.floats(1, 100), st.floats(1, 500))
def test_no_trial_goes_far_beyond_the_budget(size: Size, fixed: float, bytes_a_pixel: float, budget: float) -> None:
    def takes(size: Size) -> float:
        return fixed + bytes_a_pixel * size.pixels / (1 << 20)

    found, tried = metered_budget(budget, takes)
    if found.fits(size):
        assert takes(size) <= budget
    else:
        assert takes(size) > 0.8 * budget
    assert all(takes(trial) <= 1.01 * budget for trial in tried[1:]), "only the first trial may, and it is small"
    assert tried[0].pixels <= 65_536
    assert len(tried) < 40
    tried.clear()
    found.fits(size)
    assert not tried, "it remembers"


def test_memory_that_grows_by_a_step_is_no_reason_to_stop() -> None:
    found, _ = metered_budget(253, lambda size: 54 if size.pixels < 70_000 else 140 + 32 * size.pixels / (1 << 20))
    assert found.fits(Size(1024, 2048))
    assert not found.fits(Size(3000, 4001))
    assert 2.5e6 < found.max_pixels < 3.4e6


def test_an_aspect_ratio_that_takes_more_memory_is_distinguished() -> None:
    found, _ = metered_budget(100, lambda size: size.width / 20)
    assert found.fits(Size(1000, 1000))
    assert not found.fits(Size(100, 3000))
    assert not found.fits(Size(120, 3100)), "because a smaller one does not fit"
    assert found.fits(Size(500, 900))


def test_a_trial_that_runs_out_of_memory_does_not_fit() -> None:
    def run(image: torch.Tensor) -> None:
        if image.shape[-1] > 500:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    released: list[int] = []
    found = MemoryBudget(CPU, run, lambda: released.append(1), 1000)
    assert found.fits(Size(10, 500))
    assert not found.fits(Size(10, 501))
    assert found.peak(Size(10, 501)) == math.inf
    assert len(released) == 2


def test_other_errors_of_a_trial_are_not_hidden() -> None:
    def run(image: torch.Tensor) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        MemoryBudget(CPU, run, nothing, 1000).fits(Size(10, 10))


def test_memory_freed_by_others_does_not_count() -> None:
    class Ring:
        def __init__(self) -> None:
            self.self, self.memory = self, torch.ones(50 << 18)

    before = Ring()
    gc.disable()
    try:
        meter = MemoryMeter(CPU)
        del before
        assert 90 < meter.peak(lambda: torch.ones(100 << 18)) < 130
        gc.collect()
        assert 90 < meter.peak(lambda: torch.ones(100 << 18)) < 130
    finally:
        gc.enable()
