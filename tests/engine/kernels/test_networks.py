"""Whole networks run by kernels, compared with the same networks run by torch."""

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import nn

import catalogue
from engine.checkpoints import About
from engine.devices.process import Process
from engine.inference import kernel_layers
from engine.inference.kernel_layers import CoarseScorer, FirstBlock, FusedConvolution
from engine.inference.network import NetworkSegmenter
from engine.kernels import epilogue, first_block, scores
from fcn.fcn import FCN, FCN8s, PaperFCN
from fcn.unet import UNet

CLASSES = 6
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "fcn8s": lambda: FCN8s(CLASSES),
    "fcn8s of two classes": lambda: FCN8s(2),
    "fcn16s_vgg16": lambda: FCN(CLASSES, 16, "vgg16"),
    "at once, padded by 99, sizes rounded up": lambda: PaperFCN(CLASSES, 8, "vgg11_bn", at_once=True, fc_channels=16),
    "unet": lambda: UNet(CLASSES, channels=8),
}


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use networks of fewer channels and programs of more results, because Triton's interpreter is slow for each."""
    monkeypatch.setattr(epilogue, "_NUMBERS", 1 << 14)
    monkeypatch.setattr(first_block, "_RESULTS", 512)
    monkeypatch.setattr(scores, "_FEW", 0)
    monkeypatch.setattr(scores, "_FEATURES", 512)
    monkeypatch.setattr("fcn.vgg._CHANNELS_OF_STAGES", (16, 16, 24, 32, 512))
    monkeypatch.setattr("fcn.fcn.CHANNELS", {8: 24, 16: 32, 32: 512})


def forwards(name: str, benchmark: str = "cityscapes", classes: int = CLASSES) -> list[NetworkSegmenter]:
    """Segmenters of the same network: by torch as it is written, and by kernels."""
    about = About.untrained(name, classes, benchmark)
    found = []
    for kernels in ("torch", "triton"):
        torch.manual_seed(0)
        network = NETWORKS[name]()
        for key, value in network.state_dict().items():
            if key.startswith("score") and key.endswith("weight"):  # FCNs begin with zeros here
                nn.init.normal_(value, std=0.1 * (1e4 if "at once" in name and "pool_8" in key else 1))
        process = Process(torch.device("cpu"))
        exact = kernels == "torch"
        its = catalogue.benchmark(benchmark)
        found.append(NetworkSegmenter(process, network, about, its, exact=exact, engine="torch", kernels=kernels))
    return found


def random_image(height: int, width: int, number: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8, generator=random)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "two" not in name])
def test_a_network_by_kernels_equals_the_network(name: str) -> None:
    plain, kernels = forwards(name)
    image = random_image(33, 50)
    expected, found = plain.logits(image), kernels.logits(image)
    assert expected.std() > 0
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    ids = plain(image), kernels(image)
    assert len(set(ids[0].flatten().tolist())) > 1
    assert ids[1].shape == (33, 50)
    assert (ids[0] == ids[1]).float().mean() > 0.999


def test_layers_are_replaced_by_kernels() -> None:
    _, forward = forwards("fcn8s")
    network = cast("FCN8s", forward._network)
    assert isinstance(network.vgg.os_8[0], FirstBlock)
    convolutions = [layer for layer in network.vgg.modules() if isinstance(layer, nn.Conv2d)]
    assert (
        len([layer for layer in network.vgg.modules() if isinstance(layer, FusedConvolution)]) == len(convolutions) == 8
    )
    assert not any(isinstance(layer, (nn.ReLU, nn.BatchNorm2d)) for layer in network.modules())
    assert forward.precision == "32-true"


def test_confidences_equal_torchs() -> None:
    plain, kernels = forwards("fcn8s of two classes", "kitti_road", 2)
    assert kernels._upsample_to_ids is None
    assert kernels._coarse_scorer is not None
    expected, found = (forward(random_image(33, 50)).int() for forward in (plain, kernels))
    assert len(set(expected.flatten().tolist())) > 10
    assert (found - expected).abs().max() <= 1


def test_several_images_at_once() -> None:
    plain, kernels = forwards("fcn8s")
    images = random_image(32, 40, 2)
    expected = plain.logits(images)
    assert torch.allclose(kernels.logits(images), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    by = kernels._coarse_scorer
    assert by is not None
    assert torch.allclose(by(images)[1:], by(images[1:]), atol=1e-3)


def test_an_image_too_large_for_32_bits_is_run_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    _, forward = forwards("fcn8s")
    image = random_image(32, 40)
    expected = forward(image)
    monkeypatch.setattr(kernel_layers, "_MAX_PIXELS", 1000)
    assert forward._coarse_scorer is not None
    monkeypatch.setattr(forward._coarse_scorer._network, "features", None)
    assert (forward(image) == expected).float().mean() > 0.999


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_score_that_is_not_finite_is_noted_permanently() -> None:
    _, forward = forwards("fcn8s")
    forward.precision = "16-mixed"
    forward(random_image(32, 32))
    assert forward._finite
    assert forward._coarse_scorer is not None
    bias = forward._coarse_scorer._weights[2][1]
    before = bias.clone()
    bias[3] = torch.inf
    forward.trial(random_image(32, 32))
    assert forward._finite
    forward(random_image(32, 32))
    bias.copy_(before)
    forward(random_image(32, 32))
    assert not forward._finite


def test_networks_without_kernels_are_refused() -> None:
    assert not CoarseScorer.suits(FCN8s(19))  # its layers are not replaced
    assert not CoarseScorer.suits(UNet(19, channels=16))
    network = FCN8s(40)
    kernel_layers.use_kernels(network)
    assert not CoarseScorer.suits(network)
