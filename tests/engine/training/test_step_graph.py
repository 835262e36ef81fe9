import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine.training.step_graph import WARM_UP, CudaBackend, StepGraph, Tensors
from tests.engine.inference.fake_streams import FakeStreams

Work = Callable[[], Tensors]
SEEDS: tuple[Callable[[int], object], ...] = (random.seed, np.random.seed, torch.manual_seed)


class Recorder:
    """Replaces CUDA graphs: a capture only records the work, and a replay writes into the same results."""

    def __init__(self, error: str = "") -> None:
        self.error, self.runs, self.replays = error, 0, 0

    def run(self, work: Work) -> Tensors:
        self.runs += 1
        return work()

    def capture(self, work: Work) -> tuple[Callable[[], object], Tensors]:
        if self.error:
            raise RuntimeError(self.error)
        results: Tensors = (torch.zeros(()),)

        def replay() -> None:
            self.replays += 1
            for static, value in zip(results, work(), strict=True):
                static.copy_(value)

        return replay, results


class Counter:
    """A step with a state of its own, as weights are."""

    def __init__(self) -> None:
        self.total = torch.zeros(())

    def __call__(self, values: torch.Tensor) -> Tensors:
        self.total += values.sum()
        return (self.total.clone(),)


@pytest.mark.parametrize("graph", [False, True])
def test_every_step_is_done_once_on_its_own_inputs(graph: bool) -> None:
    recorder, counter = Recorder(), Counter()
    step = StepGraph(counter, recorder if graph else None)
    seen = [step(torch.full((2,), float(number)))[0].item() for number in range(1, 8)]
    assert seen == [2 * sum(range(1, number + 1)) for number in range(1, 8)]
    assert (recorder.runs, recorder.replays) == ((WARM_UP, 7 - WARM_UP) if graph else (0, 0))


def test_a_failed_capture_leaves_eager_steps(capsys: pytest.CaptureFixture[str]) -> None:
    recorder, counter = Recorder(error="operation not permitted when stream is capturing\nmore"), Counter()
    step = StepGraph(counter, recorder)
    for _ in range(6):
        step(torch.ones(2))
    assert counter.total == 12
    assert capsys.readouterr().err.count("operation not permitted when stream is capturing") == 1


def test_an_invalid_capture_leaves_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = FakeStreams(monkeypatch)
    with pytest.raises(RuntimeError, match="previous error during capture"):
        CudaBackend(torch.device("cuda")).capture(lambda: (torch.zeros(()),))
    assert streams.current is streams.first


def test_inputs_of_another_shape_are_an_error() -> None:
    step = StepGraph(Counter(), Recorder())
    for _ in range(WARM_UP + 1):
        step(torch.ones(2))
    with pytest.raises(RuntimeError, match="size"):
        step(torch.ones(3))


def test_gradients_of_a_failed_capture_are_discarded() -> None:
    """Recorded work has not run, so gradients contain arbitrary memory."""

    weight = torch.ones((), requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    recording = [False]

    class Failing(Recorder):
        def capture(self, work: Work) -> tuple[Callable[[], object], Tensors]:
            recording[0] = True
            try:
                work()
            finally:
                recording[0] = False
            raise AssertionError("it did not fail")

    def step(values: torch.Tensor) -> Tensors:
        torch.autograd.backward(weight * values.sum())
        if recording[0]:
            raise RuntimeError("out of memory")  # between the backward pass and the optimiser
        optimizer.step()
        optimizer.zero_grad()
        return (weight.detach().clone(),)

    graph = StepGraph(step, Failing(), optimizer.zero_grad)
    for _ in range(WARM_UP + 1):
        (seen,) = graph(torch.ones(1))
    assert seen.item() == pytest.approx(1 - 0.1 * (WARM_UP + 1))


@pytest.mark.parametrize(
    "draw",
    [random.random, np.random.rand, lambda: torch.rand(()).item()],  # as in networks of other people
    ids=["python", "numpy", "torch"],
)
def test_a_step_that_draws_on_the_host_is_not_replayed(
    draw: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    """A replay would draw the same number forever."""
    for seed in SEEDS:
        seed(0)
    expected = [draw() for _ in range(6)]
    for seed in SEEDS:
        seed(0)

    class Drawing(Recorder):
        def capture(self, work: Work) -> tuple[Callable[[], object], Tensors]:
            work()
            return super().capture(work)

    recorder = Drawing()
    step = StepGraph(lambda values: (values * draw(),), recorder)
    seen = [step(torch.ones((), dtype=torch.float64))[0].item() for _ in range(6)]
    assert seen == pytest.approx(expected)
    assert recorder.replays == 0
    assert "draws random numbers on the host" in capsys.readouterr().err


def test_the_warning_names_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(Recorder):
        def capture(self, work: Work) -> tuple[Callable[[], object], Tensors]:
            try:
                raise ValueError("a copy from memory that is not pinned")
            except ValueError:
                raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904  # as torch does

    step = StepGraph(Counter(), Failing())
    for _ in range(WARM_UP + 1):
        step(torch.ones(2))
    assert "a copy from memory that is not pinned, at " in capsys.readouterr().err
