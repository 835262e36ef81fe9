import math

import pytest

from bench import plan
from bench.plan import TimeNeed, TrainingTime


def test_time_is_allocated_in_proportion_to_what_steps_can_use() -> None:
    needs = [TimeNeed("a", 10, 30), TimeNeed("b", 20, 60), TimeNeed("c", 5, 5)]
    assert plan.allocate(needs, 35) == {"a": 10, "b": 20, "c": 5}
    assert plan.allocate(needs, 65) == {"a": 20, "b": 40, "c": 5}
    assert plan.allocate(needs, 1000) == {"a": 30, "b": 60, "c": 5}


def test_steps_that_do_not_fit_get_no_time_and_earlier_ones_come_first() -> None:
    needs = [TimeNeed("a", 10, 30), TimeNeed("b", 50, 60), TimeNeed("c", 5, 20)]
    given = plan.allocate(needs, 40)
    assert set(given) == {"a", "c"}
    assert sum(given.values()) == pytest.approx(40)
    assert plan.allocate(needs, 4) == {}


def test_a_step_that_can_use_all_time_leaves_some_for_the_others() -> None:
    given = plan.allocate([TimeNeed("short", 10, 30), TimeNeed("endless", 100, math.inf)], 410)
    assert given["short"] > 10
    assert given["endless"] > 380
    assert sum(given.values()) == pytest.approx(410)


def test_another_round_starts_only_if_it_ends_in_time() -> None:
    assert plan.another_fits(1, [])
    assert plan.another_fits(12, [10, 5])
    assert not plan.another_fits(10.5, [10, 5])
    assert not plan.another_fits(0, [])


def test_an_estimate_counts_the_first_epoch_and_validation_as_start() -> None:
    epochs = [(5.0, False), (1.0, False), (4.0, True), (1.0, False), (1.5, True)]
    found = plan.estimate(20, epochs)
    assert found == TrainingTime(start=20 - 5 * 1 - 2 * 0.5, epoch=1, validation=0.5)
    assert plan.estimate(10, [(3.0, True), (2.0, True)]) == TrainingTime(start=6, epoch=2, validation=0)


def test_epochs_that_fit_end_in_time() -> None:
    found = TrainingTime(start=10, epoch=0.2, validation=0.1)
    epochs = plan.epochs_that_fit(300, 3, found, 800)
    assert 3 * found.seconds(epochs) <= 0.9 * 300 < 3 * found.seconds(epochs + 1)
    assert plan.epochs_that_fit(3000, 3, found, 800) == 800
    assert plan.epochs_that_fit(30, 3, found, 800) == 0


@pytest.mark.parametrize("epochs", [1, 2, 19, 20, 21, 800])
def test_validations_are_few(epochs: int) -> None:
    assert 1 <= math.ceil(epochs / plan.validate_every(epochs)) <= plan.VALIDATIONS


def test_parts_are_no_larger_than_allowed() -> None:
    assert [plan.part_count(size, 10) for size in (0, 1, 10, 11, 25)] == [1, 1, 1, 2, 3]
