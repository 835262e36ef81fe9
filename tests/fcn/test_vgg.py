"""Pooling before ReLU against torchvision's order."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from bench.as_written import relu_first as relu_first_in
from fcn.fcn import FCN, FCN8s, PaperFCN
from fcn.vgg import VGG


def with_random_scores(network: FCN) -> FCN:
    """The network with random scoring layers; in the paper's form they are zero, and would compare nothing."""
    for key, value in network.state_dict().items():
        if key.startswith("score"):
            nn.init.normal_(value, std=0.1)
    return network


NETWORKS: dict[str, Callable[[], FCN]] = {
    "light": lambda: FCN8s(3),
    "odd sizes rounded up": lambda: PaperFCN(3, backbone="vgg11_bn", fc_channels=8),
}


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_pooling_before_relu_changes_no_bit(name: str, half: bool) -> None:
    torch.manual_seed(0)
    pool_first = with_random_scores(NETWORKS[name]())
    relu_first = relu_first_in(copy.deepcopy(pool_first))
    assert list(pool_first.state_dict()) == list(relu_first.state_dict())
    image, mask = torch.randn(1, 3, 33, 50), torch.randint(0, 3, (1, 33, 50))
    logits = []
    for network in (pool_first, relu_first):
        torch.manual_seed(1)  # dropout
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits.append(network(image))
        functional.cross_entropy(logits[-1].float(), mask).backward()  # type: ignore[no-untyped-call]
    assert logits[0].std() > 0
    assert torch.equal(*logits)
    for (key, one), other in zip(pool_first.named_parameters(), relu_first.parameters(), strict=True):
        assert one.requires_grad == (one.grad is not None), key
        assert one.grad is None or (other.grad is not None and torch.equal(one.grad, other.grad)), key
    assert all(torch.equal(*pair) for pair in zip(pool_first.buffers(), relu_first.buffers(), strict=True))


def test_each_stage_ends_with_pooling_and_relu() -> None:
    for variant in ("vgg11_bn", "vgg16"):
        for sequence in VGG(variant).stages.values():
            assert [type(layer) for layer in sequence[-2:]] == [nn.MaxPool2d, nn.ReLU]
