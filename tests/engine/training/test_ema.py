import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from engine.training.ema import ExponentialMovingAverage


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def change(layers: nn.Module) -> None:
    with torch.no_grad():
        for tensor in layers.state_dict().values():
            tensor += 1


def test_it_averages_like_the_class_of_torch() -> None:
    ours = network()
    theirs = copy.deepcopy(ours)
    ema = ExponentialMovingAverage(ours, 0.9)
    reference = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)  # type: ignore[no-untyped-call]
    for _ in range(4):
        for layers in (ours, theirs):
            change(layers)
        ema.update()
        reference.update_parameters(theirs)
    expected = reference.module.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in ema.network.state_dict().items())


def test_every_tensor_is_on_the_device_of_the_network() -> None:
    """A buffer that stays on the CPU, like the counter of torch, cannot be broadcast by NCCL."""
    ema = ExponentialMovingAverage(network().to("meta"), 0.9)
    assert {tensor.device.type for tensor in ema.network.buffers()} == {"meta"}


@pytest.mark.parametrize("updates", [0, 2])
def test_it_resumes(updates: int) -> None:
    layers = network()
    first, second = ExponentialMovingAverage(layers, 0.9), ExponentialMovingAverage(layers, 0.9)
    for _ in range(updates):
        change(layers)
        first.update()
    second.load_state_dict(first.state_dict())
    change(layers)
    first.update()
    second.update()
    expected = first.network.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in second.network.state_dict().items())
