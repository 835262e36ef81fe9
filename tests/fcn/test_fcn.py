import pytest
import torch
from torch import nn
from torchvision.models import vgg11_bn
from torchvision.models.vgg import cfgs, make_layers

from fcn.fcn import PaperFCN, bilinear_kernel
from fcn.vgg import VGG


def test_upsampling_starts_as_bilinear_interpolation() -> None:
    layer = torch.nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(2, 4))
        image = torch.randn(1, 2, 8, 8)
        expected = torch.nn.functional.interpolate(image, scale_factor=2, mode="bilinear")
        inside = (..., slice(1, -1), slice(1, -1))  # at the border, convolution pads with zeros
        assert torch.allclose(layer(image)[inside], expected[inside], atol=1e-6)


def test_the_backbone_takes_torchvisions_weights() -> None:
    torch.manual_seed(0)
    reference = vgg11_bn(weights=None).eval()
    backbone = VGG().eval()
    backbone.load_torchvision(reference.state_dict())
    image = features = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for stage in backbone.stages.values():
            features = stage(features)
        assert torch.equal(features, reference.features(image))


def test_the_papers_network_takes_torchvisions_linear_layers_too() -> None:
    """A convolution as large as its image is a linear layer of it (section 3.1)."""
    torch.manual_seed(0)
    fc6, fc7 = nn.Linear(512 * 7 * 7, 16), nn.Linear(16, 16)
    weights = {f"features.{key}": value for key, value in make_layers(cfgs["D"]).state_dict().items()}
    for place, layer in ((0, fc6), (3, fc7)):
        weights |= {f"classifier.{place}.{key}": value for key, value in layer.state_dict().items()}
    network = PaperFCN(2, fc_channels=16).eval()
    network.load_torchvision(weights)
    features = torch.randn(1, 512, 7, 7)
    with torch.inference_mode():
        expected = fc7(fc6(features.flatten(1)).relu()).relu()
        assert torch.allclose(network.classifier(features).flatten(1), expected, atol=1e-5)
    assert torch.equal(network.vgg.state_dict()["os_32.4.weight"], weights["features.28.weight"])
    weights["classifier.3.weight"] = torch.zeros(8, 8)
    with pytest.raises(ValueError, match=r"fc7.weight is \(8, 8\), expected \(16, 16, 1, 1\)"):
        network.load_torchvision(weights)


def test_other_weights_are_refused_with_what_does_not_match() -> None:
    weights = vgg11_bn(weights=None).state_dict()
    del weights["features.0.weight"]
    weights["features.4.weight"] = torch.zeros(1)
    weights["features.99.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="missing") as caught:
        VGG().load_torchvision(weights)
    assert "missing: os_8.0.weight (64, 3, 3, 3)" in str(caught.value)
    assert "unknown: features.99.weight" in str(caught.value)
    assert "os_8.4.weight is (1,), expected (128, 64, 3, 3)" in str(caught.value)
