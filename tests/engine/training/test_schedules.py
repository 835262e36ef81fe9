import pytest

from engine.training.optimization import SCHEDULES, Progress


def rates(name: str, epochs: int = 10, steps: int = 10) -> list[float]:
    return [SCHEDULES[name](Progress(step, steps, epochs)) for step in range(epochs * steps)]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_rate_is_a_share_of_the_highest(name: str) -> None:
    assert all(0 <= rate <= 1 for rate in rates(name))
    assert max(rates(name)) == pytest.approx(1, abs=0.05)


def test_one_cycle_rises_over_30_percent_and_falls_to_0() -> None:
    values = rates("one_cycle")
    assert values[:31] == sorted(values[:31])
    assert values[30:] == sorted(values[30:], reverse=True)
    assert values[0] == pytest.approx(0.04)
    assert values[30] == pytest.approx(1)
    assert values[-1] < 0.01
