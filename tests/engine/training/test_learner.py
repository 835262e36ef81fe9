"""Steps in fp16, whose scaler also runs on a CPU, and resuming in another precision."""

import copy
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.amp import MixedPrecision
from torch import nn

from engine.errors import InputError
from engine.normalization import Normalize
from engine.training.config import TrainingConfig
from engine.training.learner import Learner
from fcn.fcn import PaperFCN

VOID = 255
IMAGES = torch.full((1, 3, 4, 4), 200, dtype=torch.uint8)
MASKS = torch.zeros(1, 4, 4, dtype=torch.int64)


def fabric(precision: str) -> Fabric:
    scaler = torch.amp.GradScaler("cpu") if precision == "16-mixed" else None
    return Fabric(accelerator="cpu", plugins=MixedPrecision(precision, "cpu", scaler=scaler))  # type: ignore[arg-type]


def learner(precision: str = "16-mixed", **changes: Any) -> Learner:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    return Learner(fabric(precision), network, Normalize(), TrainingConfig(**changes), VOID)


def scale(its: Learner) -> float:
    precision: Any = its.fabric.strategy.precision
    return float(precision.scaler.get_scale())


def first_weight(its: Learner) -> torch.Tensor:
    weight: torch.Tensor = its.network.state_dict()["0.weight"]
    return weight.clone()


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_an_overflow_in_fp16_costs_one_step_and_no_more(clip_norm: float) -> None:
    """The scaler starts at 65536, so overflows are expected; with clipping they were an error once."""
    its = learner(clip_norm=clip_norm)
    its.train()
    before = {name: tensor.clone() for name, tensor in its.network.named_parameters()}
    its.loss.register_forward_hook(lambda _module, _inputs, loss: loss * 1e6)
    its.step(IMAGES, MASKS, update=True)
    assert scale(its) == 32768
    assert all(torch.equal(tensor, before[name]) for name, tensor in its.network.named_parameters())


def test_fp16_learns_with_clipping() -> None:
    its = learner(clip_norm=1.0)
    its.train()
    before = first_weight(its)
    its.step(IMAGES, MASKS, update=True)
    assert not torch.equal(first_weight(its), before)


@pytest.mark.parametrize("change", [("bf16-mixed", "16-mixed"), ("16-mixed", "bf16-mixed")])
def test_a_run_resumes_in_another_precision(change: tuple[str, str]) -> None:
    first, second = (learner(precision) for precision in change)
    first.train()
    first.step(IMAGES, MASKS, update=True)
    second.load(first.state())
    second.train()
    second.step(IMAGES, MASKS, update=True)
    assert second.is_finite()


def test_a_scaler_resumes_at_its_scale() -> None:
    first, second = learner(), learner()
    first.train()
    first.loss.register_forward_hook(lambda _module, _inputs, loss: loss * 1e6)
    first.step(IMAGES, MASKS, update=True)
    second.load(first.state())
    assert scale(second) == 32768


@pytest.mark.parametrize(("precision", "expected"), [("bf16-mixed", "32-true"), ("16-mixed", "32-true")])
def test_a_cpu_evaluates_as_it_predicts(precision: str, expected: str) -> None:
    assert learner(precision).evaluation_precision == expected


def test_the_average_is_what_is_evaluated_and_kept() -> None:
    its = learner("bf16-mixed", ema=0.5)
    its.train()
    for _ in range(3):
        its.step(IMAGES, MASKS, update=True)
    assert not torch.equal(its.weights()["0.weight"], first_weight(its))
    its.train(False)
    with torch.no_grad():
        seen = its.evaluate(IMAGES)
        its.network.eval()
        assert not torch.equal(seen, its.network(its.normalize(IMAGES)))
        assert torch.equal(seen, its.ema.network(its.normalize(IMAGES)))  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["0.weight", "1.running_var"])
def test_one_number_that_is_not_finite_is_found(value: float, name: str) -> None:
    its = learner("bf16-mixed")
    assert its.is_finite()
    its.network.state_dict()[name].view(-1)[1] = value
    assert not its.is_finite()


class WithBackbone(nn.Module):
    """A backbone with a bias before its batch norm, and a head with another."""

    fusible = True

    def __init__(self) -> None:
        super().__init__()
        self.vgg = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.head = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.vgg(images))
        return scores


@pytest.mark.parametrize("more", [{}, {"ema": 0.9}, {"optimizer": "caffe_sgd", "backbone_rate": 0.5, "clip_norm": 1.0}])
def test_a_frozen_backbone_stays_identical(more: dict[str, Any]) -> None:
    """Weights, biases, batch statistics and their counters; the head keeps learning."""
    torch.manual_seed(0)
    network = WithBackbone()
    for buffer in network.buffers():
        buffer += 37  # in float32, 0.9 x + 0.1 x differs from x for this count
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    its = Learner(Fabric(accelerator="cpu"), network, Normalize(), TrainingConfig(freeze_backbone=True, **more), VOID)
    its.set_learning_rate(0.1)
    for epoch in range(3):
        its.train()
        for _ in range(2):
            its.step(torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8), MASKS.expand(2, -1, -1), update=True)
        its.train(False)
        its.evaluate(IMAGES)
        if epoch == 1:
            its.load(copy.deepcopy(its.state()))
    for weights in (its.weights(), network.state_dict()):
        changed = {name for name, tensor in weights.items() if not torch.equal(tensor, before[name])}
        assert not [name for name in changed if name.startswith("vgg.")]
        assert "head.2.weight" in changed


def test_a_network_without_a_backbone_is_not_frozen() -> None:
    with pytest.raises(InputError, match="--freeze_backbone: this network has no backbone"):
        learner(freeze_backbone=True)


@pytest.mark.parametrize("learns", [False, True])
def test_the_last_upsampling_of_the_papers_networks_may_learn(learns: bool) -> None:
    network = PaperFCN(2, fc_channels=4)
    its = Learner(Fabric(accelerator="cpu"), network, Normalize(), TrainingConfig(learn_upsampling=learns), VOID)
    trained = {id(parameter) for group in its.optimizer.param_groups for parameter in group["params"]}
    assert (id(network.upsampling.weight) in trained) == network.upsampling.weight.requires_grad == learns
    assert id(network.merges[0].score.weight) in trained


def test_a_network_without_upsampling_cannot_learn_it() -> None:
    with pytest.raises(InputError, match="--learn_upsampling: this network has no last upsampling"):
        learner(learn_upsampling=True)
