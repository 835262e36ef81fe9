"""Biases before batch normalisation that training leaves out, folded layers and cast weights."""

import copy

import pytest
import torch
from torch import nn

from engine.layers import BiaslessConv2d, drop_biases
from fcn.fcn import FCN
from tests.fcn.random_weights import assert_equal_logits


def with_biases(backbone: str = "vgg11_bn") -> FCN:
    """A network whose biases and running means are not 0, as in torchvision's weights."""
    torch.manual_seed(0)
    network = FCN(4, backbone=backbone)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.normal_(layer.bias, std=0.5)
        if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None:
            nn.init.normal_(layer.running_mean, std=0.5)
    for level in network.levels:
        nn.init.normal_(network._part("score_pool", level).weight, std=0.2)
    return network


@pytest.fixture(scope="module")
def both() -> tuple[FCN, FCN]:
    plain = with_biases()
    changed = copy.deepcopy(plain)
    drop_biases(changed)
    return plain, changed


IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5


def test_logits_and_names_of_weights_stay_the_same(both: tuple[FCN, FCN]) -> None:
    plain, changed = both
    assert list(plain.state_dict()) == list(changed.state_dict())
    assert sum(isinstance(layer, BiaslessConv2d) for layer in changed.modules()) == 8
    for training in (False, True):
        assert_equal_logits(
            copy.deepcopy(changed).train(training)(IMAGES).detach(),
            copy.deepcopy(plain).train(training)(IMAGES).detach(),
        )


def test_training_is_the_same_except_for_rounding() -> None:
    plain = with_biases()
    changed = copy.deepcopy(plain)
    drop_biases(changed)
    masks = torch.randint(0, 4, (2, 64, 64), generator=torch.Generator().manual_seed(0))
    for network in (plain.train(), changed.train()):
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(learned, lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(network(IMAGES), masks))
            optimizer.step()
    assert_equal_logits(changed.eval()(IMAGES).detach(), plain.eval()(IMAGES).detach())


def test_a_state_with_biases_can_be_loaded_later(both: tuple[FCN, FCN]) -> None:
    plain, changed = copy.deepcopy(both[0]).eval(), copy.deepcopy(both[1]).eval()
    changed.load_state_dict(plain.state_dict())
    drop_biases(changed)
    assert_equal_logits(changed(IMAGES).detach(), plain(IMAGES).detach())
    frozen = [name for name, parameter in changed.named_parameters() if not parameter.requires_grad]
    assert len(frozen) == 8
    assert all(name.endswith(".bias") for name in frozen)


def test_networks_without_batch_normalisation_keep_their_biases() -> None:
    network = FCN(4, backbone="vgg11")
    before = copy.deepcopy(network.state_dict())
    drop_biases(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.vgg.parameters())
