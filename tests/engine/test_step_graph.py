from collections.abc import Callable

import pytest
import torch

from engine.step_graph import WARM_UP, StepGraph, Tensors

Work = Callable[[], Tensors]


class Recorder:
    """Stands in for CUDA graphs: a capture does nothing but note the work, a replay does it into the same results."""

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


def test_inputs_of_another_shape_are_an_error() -> None:
    step = StepGraph(Counter(), Recorder())
    for _ in range(WARM_UP + 1):
        step(torch.ones(2))
    with pytest.raises(RuntimeError, match="size"):
        step(torch.ones(3))
