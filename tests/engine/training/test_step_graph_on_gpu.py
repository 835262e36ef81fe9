"""Replayed steps equal eager ones; needs a GPU."""

from typing import Literal

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from engine.normalization import Normalize
from engine.training.config import TrainingConfig
from engine.training.learner import Learner
from engine.training.step_graph import CudaBackend, StepGraph

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
STEPS = 8
Optimizer = Literal["adamw", "sgd"]


def batch(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(number)
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=random)
    return images.cuda(), torch.randint(0, 2, (2, 16, 16), dtype=torch.uint8, generator=random).cuda()


def trained(optimizer: Optimizer, *, graph: bool) -> tuple[torch.Tensor, Learner]:
    """Losses of some steps, with a validation between two of them, and the learner afterwards."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(), nn.Conv2d(8, 2, 1))
    fabric = Fabric(accelerator="cuda", devices=1)
    its = Learner(fabric, network, Normalize(), TrainingConfig(ema=0.9, clip_norm=1.0, optimizer=optimizer), 255)
    its.train()
    backend = CudaBackend(fabric.device) if graph else None
    step = StepGraph(lambda images, masks: its.step(images, masks.long(), update=True), backend)
    losses = []
    for number in range(STEPS):
        torch.cuda.manual_seed(number)
        its.set_learning_rate(1e-2 / (number + 1))
        losses.append(step(*batch(number))[0].clone())
        if number == 5:
            its.train(False)
            with torch.no_grad():
                its.evaluate(batch(0)[0])
            its.train()
    assert not graph or step._replay is not None, "captured"
    return torch.stack(losses), its


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_replayed_step_does_what_an_eager_one_does(optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own rate, batch, dropout and average each time."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    (losses, eager), (replayed_losses, replayed) = (trained(optimizer, graph=graph) for graph in (False, True))
    assert torch.allclose(losses, replayed_losses, rtol=1e-4)
    for ours, theirs in ((replayed.network, eager.network), (replayed.ema, eager.ema)):
        expected = theirs.state_dict() if isinstance(theirs, nn.Module) else theirs.network.state_dict()  # type: ignore[union-attr]
        found = ours.state_dict() if isinstance(ours, nn.Module) else ours.network.state_dict()  # type: ignore[union-attr]
        assert all(torch.allclose(found[name], expected[name], rtol=1e-3, atol=1e-5) for name in expected)
