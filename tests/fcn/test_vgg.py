"""Pooling before ReLU against torchvision's order."""

import copy
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

import catalogue
from engine.checkpoints import About
from engine.inference import Forward
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD
from engine.place import find_place
from fcn.fcn import FCN, FCN8s, PaperFCN
from fcn.vgg import VGG


def in_torchvisions_order(network: FCN) -> FCN:
    """A copy of the network in which ReLU comes before pooling."""
    network = copy.deepcopy(network)
    for stage in network.vgg.stages.values():
        layers = list(stage)
        for place, (first, second) in enumerate(pairwise(stage)):
            if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
                layers[place : place + 2] = second, first
        del stage[:]
        stage.extend(layers)
    return network


def with_random_scores(network: FCN) -> FCN:
    """FCNs of the paper's form begin with scores of zero, which would compare nothing."""
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
    relu_first = in_torchvisions_order(pool_first)
    assert list(pool_first.state_dict()) == list(relu_first.state_dict())
    image, mask = torch.randn(1, 3, 33, 50), torch.randint(0, 3, (1, 33, 50))
    logits = []
    for network in (pool_first, relu_first):
        torch.manual_seed(1)  # dropout
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits.append(network(image))
        functional.cross_entropy(logits[-1].float(), mask).backward()
    assert logits[0].std() > 0
    assert torch.equal(*logits)
    for (key, one), other in zip(pool_first.named_parameters(), relu_first.parameters(), strict=True):
        assert one.grad is None or torch.equal(one.grad, other.grad), key
    assert all(torch.equal(*pair) for pair in zip(pool_first.buffers(), relu_first.buffers(), strict=True))


def test_each_stage_ends_with_pooling_and_relu() -> None:
    for variant in ("vgg11_bn", "vgg16"):
        for sequence in VGG(variant).stages.values():
            assert [type(layer) for layer in sequence[-2:]] == [nn.MaxPool2d, nn.ReLU]


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_fused_predictions_are_those_of_torchvisions_order(ceil_mode: bool) -> None:
    torch.manual_seed(0)
    network: FCN = PaperFCN(19, backbone="vgg11_bn", fc_channels=8) if ceil_mode else FCN8s(19)
    about = About("some", 19, "cityscapes", IMAGENET_MEAN, IMAGENET_STD, 0, None)
    image = torch.randint(0, 256, (1, 3, 45, 66), dtype=torch.uint8)
    networks = (with_random_scores(network), in_torchvisions_order(network))
    forwards = [Forward(find_place("cpu", "auto"), one, about, catalogue.benchmark("cityscapes")) for one in networks]
    assert [forward.precision for forward in forwards] == ["32-fused"] * 2
    assert torch.equal(*(forward.logits(image) for forward in forwards))
