import copy

import pytest
import torch
from torch import nn

from engine.kernels.pool_relu import pool_relu, reference
from engine.kernels.pooling import PoolReLU, use_pooling_kernels


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size", [(8, 6), (9, 7)])
def test_maxima_and_gradients_equal_torchs(size: tuple[int, int], ceil_mode: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    given = torch.randint(-4, 5, (2, 40, *size)).to(dtype).contiguous(memory_format=torch.channels_last)  # many ties
    images = [given.clone().requires_grad_() for _ in range(2)]
    expected, found = reference(images[0], ceil_mode), pool_relu(images[1], ceil_mode)[0]
    assert torch.equal(found, expected)
    gradient = torch.randn(expected.shape).to(dtype)
    for result in (expected, found):
        result.backward(gradient)
    assert images[0].grad is not None
    assert images[1].grad is not None
    assert torch.equal(images[1].grad, images[0].grad)
    assert (images[0].grad == 0).any()
    assert (images[0].grad != 0).any()


def test_a_network_gets_the_same_gradients() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
    networks = [nn.Sequential(*layers, nn.Conv2d(16, 2, 1))]
    networks.append(copy.deepcopy(networks[0]))
    use_pooling_kernels(networks[1])
    assert [type(layer) for layer in networks[1]][2:4] == [PoolReLU, nn.Identity]
    assert list(networks[0].state_dict()) == list(networks[1].state_dict())
    image = torch.randn(2, 3, 13, 16).contiguous(memory_format=torch.channels_last)
    for network in networks:
        network(image).square().sum().backward()
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_nan_is_kept() -> None:
    image = torch.zeros(1, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    image[0, 3, 2, 1] = torch.nan
    found = pool_relu(image, False)[0]
    assert found[0, 3, 1, 0].isnan()
    assert found.isnan().sum() == 1
