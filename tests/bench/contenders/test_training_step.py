from collections.abc import Callable

import pytest

from bench.contenders import training_step


@pytest.mark.parametrize("build", [training_step.original_step, training_step.our_step])
def test_a_step_changes_the_network(build: Callable[[int, int], Callable[[], object]]) -> None:
    step = build(1, 64)
    losses = [float(first[0] if isinstance(first := step(), tuple) else first) for _ in range(2)]  # type: ignore[arg-type]
    assert losses[0] != losses[1]
