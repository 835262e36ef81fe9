import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engine.benchmark import Sample
from engine.data.sampler import EpochSampler
from engine.errors import InputError
from engine.training.divergence import Alarm, first_bad
from engine.training.run import Run


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([], None), ([1.0, 2.0], None), ([1.0, math.nan, math.inf], 1), ([-math.inf], 0)],
)
def test_the_first_loss_that_is_no_number(losses: list[float], expected: int | None) -> None:
    assert first_bad([torch.tensor(loss) for loss in losses]) == expected


def alarm(folder: Path, *, finite: bool = True) -> tuple[Alarm, Any]:
    samples = [Sample(f"image_{number}", Path(), None) for number in range(200)]
    data: Any = SimpleNamespace(samples=samples, sampler=EpochSampler(len(samples), 1, 0))
    data.sampler.epoch = 1
    learner: Any = SimpleNamespace(is_finite=lambda: finite)
    return Alarm(Run(folder), learner, data), data


@pytest.mark.parametrize("bad", [0, 30, 49, 50, 70])
def test_a_loss_is_told_with_its_step_and_images(tmp_path: Path, bad: int) -> None:
    its, data = alarm(tmp_path)

    def epoch() -> None:
        for place in range(80):
            its.note(torch.tensor(math.nan if place == bad else 1.0), place)
        its.check()

    with pytest.raises(InputError) as caught:
        epoch()
    (draw,) = data.sampler.batch(bad)
    assert f"the loss is nan in epoch 1, step {bad + 1}, on image_{draw.number};" in str(caught.value)


def test_weights_are_looked_at_where_all_losses_are_finite(tmp_path: Path) -> None:
    its, _ = alarm(tmp_path)
    its.note(torch.tensor(1.0), 0)
    its.check()
    its, _ = alarm(tmp_path, finite=False)
    its.note(torch.tensor(1.0), 6)
    with pytest.raises(InputError, match="weights that are NaN or infinite came in epoch 1, step 7"):
        its.check()
