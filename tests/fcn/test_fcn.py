import pytest
import torch
from torchvision.models import vgg11_bn

from fcn.fcn import bilinear_kernel
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
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(backbone(image)[32], reference.features(image))


def test_other_weights_are_refused_with_what_does_not_match() -> None:
    weights = vgg11_bn(weights=None).state_dict()
    del weights["features.0.weight"]
    weights["features.4.weight"] = torch.zeros(1)
    weights["features.99.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="missing") as caught:
        VGG().load_torchvision(weights)
    assert "missing: os_8.0.weight (64, 3, 3, 3)" in str(caught.value)
    assert "not known here: features.99.weight" in str(caught.value)
    assert "os_8.4.weight is (1,), expected (128, 64, 3, 3)" in str(caught.value)
