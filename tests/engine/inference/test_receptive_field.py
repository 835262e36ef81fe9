from collections.abc import Callable

import pytest
import torch
from torch import nn

import catalogue
from engine.inference import receptive_field
from engine.inference.receptive_field import ReceptiveField


def found(network: nn.Module) -> ReceptiveField:
    with torch.inference_mode():
        return receptive_field.find(network.eval(), torch.device("cpu"))


@pytest.mark.parametrize(
    ("layers", "margin"),
    [
        ([nn.Conv2d(3, 2, 1)], 0),
        ([nn.Conv2d(3, 2, 3, padding=1)], 64),
        ([nn.Conv2d(3, 2, 3, padding=192, dilation=192)], 192),
        ([nn.Conv2d(3, 2, 3, padding=193, dilation=193)], 256),
        ([nn.Conv2d(3, 2, (1, 3), padding=(0, 193), dilation=193)], 256),
        ([nn.Conv2d(3, 2, (3, 1), padding=(193, 0), dilation=193)], 256),
        ([nn.Conv2d(3, 4, 3, padding=450, dilation=450)], 512),
    ],
)
def test_margin_of_convolutions_equals_the_computed_one(layers: list[nn.Module], margin: int) -> None:
    assert found(nn.Sequential(*layers)) == ReceptiveField(margin, exact=True)


def test_a_network_with_a_global_receptive_field_has_no_exact_margin() -> None:
    class Everything(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + image.mean((-1, -2), keepdim=True)

    assert not found(Everything()).exact


@pytest.mark.parametrize("stop", [torch.nan_to_num, lambda scores: torch.where(scores > 0, scores, 0)])
def test_a_network_that_stops_nan_has_no_exact_margin(stop: Callable[[torch.Tensor], torch.Tensor]) -> None:
    convolution = nn.Conv2d(3, 2, 3, padding=1)
    with torch.no_grad():
        assert not receptive_field.find(lambda image: stop(convolution(image)), torch.device("cpu")).exact


def test_a_network_on_another_grid_has_no_exact_margin() -> None:
    stride_of_40 = nn.Sequential(nn.MaxPool2d(40, ceil_mode=True), nn.Upsample(scale_factor=40))

    class Cropped(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            height, width = image.shape[-2:]
            coarse: torch.Tensor = stride_of_40(image)
            return coarse[..., :height, :width]

    assert not found(Cropped()).exact


@pytest.mark.parametrize("name", ["fcn8s", "fcn32s_vgg16"])
def test_networks_of_the_catalogue_have_a_margin(name: str) -> None:
    torch.manual_seed(0)
    margin, exact = found(catalogue.network(name, 3))
    assert exact
    assert 128 <= margin <= 512
