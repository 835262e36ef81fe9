"""Losses and weights that are NaN or infinite are never saved."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import train_fcn
from engine.benchmark import Sample
from engine.data.sampler import EpochSampler
from engine.errors import InputError
from engine.ranges import Range
from engine.training.config import RANGES
from engine.training.divergence import DivergenceCheck, first_bad
from engine.training.learner import Learner
from engine.training.run import Run
from tests.conftest import Ending


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([], None), ([1.0, 2.0], None), ([1.0, math.nan, math.inf], 1), ([-math.inf], 0)],
)
def test_the_first_loss_that_is_nan_or_infinite(losses: list[float], expected: int | None) -> None:
    assert first_bad([torch.tensor(loss) for loss in losses]) == expected


def divergence_check(folder: Path, *, finite: bool = True) -> tuple[DivergenceCheck, Any]:
    samples = [Sample(f"image_{number}", Path(), None) for number in range(200)]
    data: Any = SimpleNamespace(samples=samples, sampler=EpochSampler(len(samples), 1, 0))
    data.sampler.epoch = 1
    learner: Any = SimpleNamespace(is_finite=lambda: finite)
    return DivergenceCheck(Run(folder), learner, data), data


@pytest.mark.parametrize("bad", [0, 30, 49, 50, 70])
def test_a_nan_loss_is_reported_with_its_step_and_images(tmp_path: Path, bad: int) -> None:
    its, data = divergence_check(tmp_path)

    def epoch() -> None:
        for step in range(80):
            its.add(torch.tensor(math.nan if step == bad else 1.0), step)
        its.check()

    with pytest.raises(InputError) as caught:
        epoch()
    (request,) = data.sampler.batch(bad)
    assert f"the loss is nan in epoch 1, step {bad + 1}, on image_{request.sample};" in str(caught.value)


def test_weights_are_checked_even_if_all_losses_are_finite(tmp_path: Path) -> None:
    its, _ = divergence_check(tmp_path)
    its.add(torch.tensor(1.0), 0)
    its.check()
    its, _ = divergence_check(tmp_path, finite=False)
    its.add(torch.tensor(1.0), 6)
    with pytest.raises(InputError, match="the weights became NaN or infinite in epoch 1, step 7"):
        its.check()


@pytest.fixture
def settings(demo_root: Path, tmp_path: Path) -> list[str]:
    """Two epochs of four steps, each of which is saved."""
    return [
        *("--root", str(demo_root), "--saved", str(tmp_path), "--backbone_weights", "none", "--save_minutes", "0"),
        *("--network", "bench.tiny:build", "--epochs", "2", "--batch_size", "1", "--crop_size", "64"),
        *("--workers", "0", "--accelerator", "cpu", "--curves", "none"),
    ]


def state(run: Path) -> dict[str, torch.Tensor]:
    content = torch.load(run / "last.pth", weights_only=True)
    weights: dict[str, torch.Tensor] = content["weights"]
    return weights


def steps_done(run: Path) -> tuple[int, int]:
    """Epochs and steps done according to the state."""
    content = torch.load(run / "last.pth", weights_only=True)
    return content["about"]["epoch"], content["steps_done"]


def test_a_nan_loss_is_never_saved(
    settings: list[str], tmp_path: Path, error_of: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although every step is saved, and losses are checked every 50 steps only."""
    monkeypatch.setitem(RANGES, "learning_rate", Range(0, 1e31))
    wild = [*settings, "--learning_rate", "1e30", "--optimizer", "sgd", "--schedule", "constant", "--name", "wild"]
    message = error_of(train_fcn.main, *wild)
    assert "the loss is nan in epoch 1, step 2, on " in message
    assert steps_done(tmp_path / "wild") == (0, 1)
    assert all(tensor.isfinite().all() for tensor in state(tmp_path / "wild").values())


def test_infinite_weights_are_never_saved(
    settings: list[str], tmp_path: Path, error_of: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Learner.step

    def step(self: Learner, *batch: Any, **how: Any) -> tuple[torch.Tensor, torch.Tensor]:
        result = learn(self, *batch, **how)
        if steps_done(tmp_path / "spoilt")[1] == 2:
            with torch.no_grad():
                next(self.network.parameters()).fill_(math.inf)
        return result

    monkeypatch.setattr(Learner, "step", step)
    message = error_of(train_fcn.main, *settings, "--name", "spoilt")
    assert "the weights became NaN or infinite in epoch 1, step 3, on " in message
    assert steps_done(tmp_path / "spoilt") == (0, 2)
    assert all(tensor.isfinite().all() for tensor in state(tmp_path / "spoilt").values())
