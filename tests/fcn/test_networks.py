"""The contract of all networks of the catalogue."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import catalogue
from fcn.fcn import FCN, PaperFCN
from fcn.unet import UNet

REPOSITORY = Path(__file__).parents[2]
SIZES = [(1, 1), (33, 65), (64, 47)]


def build(name: str, num_classes: int) -> nn.Module:
    """A network whose wide layers are made narrow, without other changes."""
    narrow: dict[str, Any] = {}
    if "paper" in name:
        narrow = {"fc_channels": 16}
    elif "unet" in name:
        narrow = {"channels": 4}
    return catalogue.NETWORKS[name](num_classes, **narrow)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", catalogue.NETWORKS)
def test_logits_have_the_size_of_the_image(name: str, size: tuple[int, int]) -> None:
    network = build(name, 5).eval()
    with torch.inference_mode():
        logits = network(torch.randn(1, 3, *size))
    assert logits.shape == (1, 5, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", catalogue.NETWORKS)
def test_gradients_reach_every_parameter(name: str) -> None:
    """Scores of the paper's networks start at zero, which blocks gradients; here they start with other values."""
    torch.manual_seed(0)
    network = build(name, 4).train()
    for parameter_name, parameter in network.named_parameters():
        if parameter_name.startswith("score"):
            nn.init.normal_(parameter, std=0.1)
    side = 8 if "paper" in name else 32  # the paper's networks pad it by 100
    network(torch.randn(2, 3, side, side)).square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            assert "paper" in name, f"{parameter_name}: only the paper's networks keep anything fixed"
            continue
        assert parameter.grad is not None, parameter_name
        cancelled = has_batch_norm(network) and parameter_name.startswith("vgg.") and parameter_name.endswith("bias")
        if not cancelled:  # batch normalisation cancels preceding biases
            assert parameter.grad.any(), parameter_name


def has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_in_the_papers_networks_the_first_step_moves_scores_alone() -> None:
    torch.manual_seed(0)
    network = build("fcn8s_paper", 4).eval()
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-2)
    image = torch.randn(1, 3, 8, 8)
    assert not network(image).any(), "scores start at zero"
    for step in range(2):
        before = {key: value.clone() for key, value in network.named_parameters()}
        optimizer.zero_grad()
        (network(image)[:, 0].mean() - 1).square().backward()
        optimizer.step()
        moved = {key for key, value in network.named_parameters() if not torch.equal(value, before[key])}
        if step == 0:
            assert moved
            assert all(key.startswith("score_pool") for key in moved)
    assert "classifier.fc6.weight" in moved
    assert "vgg.os_8.0.weight" in moved


COUNTS = {
    ("fcn8s", 20): 9_366_844,  # the original repository's
    ("fcn32s_paper", 21): 136_152_917,
    ("fcn16s_paper", 21): 134_815_994,
    ("fcn8s_paper", 21): 134_489_759,
    ("fcn8s_paper_at_once", 21): 134_489_759,
    ("unet", 21): 31_038_933,
    ("unet_valid", 2): 31_031_810,
}


@pytest.mark.parametrize(("name", "num_classes"), COUNTS)
def test_networks_have_as_many_parameters_as_published(name: str, num_classes: int) -> None:
    with torch.device("meta"):
        network = catalogue.NETWORKS[name](num_classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == COUNTS[name, num_classes]


def test_the_documentation_lists_every_network_with_its_parameters() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", (REPOSITORY / "docs" / "networks.md").read_text(), re.MULTILINE)
    for name, count in rows:
        with torch.device("meta"):
            network = catalogue.NETWORKS[name](21)
        assert f"{sum(parameter.numel() for parameter in network.parameters()):,}" == count, name
    assert [name for name, _ in rows] == list(catalogue.NETWORKS)


def test_a_unet_of_grey_images_has_the_papers_number_of_parameters() -> None:
    """The network of the paper has one input channel and two classes: 31.03 M with biases, without batch norm."""
    with torch.device("meta"):
        network = UNet(2, valid=True)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count - 2 * 9 * 64 == 31_030_658


def test_the_last_upsampling_is_fixed_by_default() -> None:
    fixed, learned = PaperFCN(2, fc_channels=4), PaperFCN(2, fc_channels=4, learn_upsampling=True)
    assert [name for name, p in fixed.named_parameters() if not p.requires_grad] == ["upscore_8.weight"]
    assert all(parameter.requires_grad for parameter in learned.parameters())


@pytest.mark.parametrize("side", [30, 61])
def test_tiles_show_no_seams(side: int) -> None:
    network = UNet(3, valid=True, channels=4).eval()
    image = torch.randn(1, 3, side, 47)
    with torch.inference_mode():
        whole = network(image)
        network.tile = 36
        assert torch.allclose(network(image), whole, atol=1e-5)


@pytest.mark.parametrize("network", [FCN(3), UNet(3, channels=4)], ids=["fcn", "unet"])
def test_padding_to_the_stride_changes_nothing_where_none_is_needed(network: nn.Module) -> None:
    network.eval()
    image = torch.randn(1, 3, 60, 60)
    padded = torch.zeros(1, 3, 64, 64)
    padded[..., :60, :60] = image
    with torch.inference_mode():
        assert torch.equal(network(image), network(padded)[..., :60, :60])
