import pytest
import torch
from torchvision.models import vgg11_bn

from fcn.fcn import FCN8s, bilinear_kernel
from fcn.vgg import VGG
from fcn.weights import Kind, identify


@pytest.mark.parametrize("size", [(32, 32), (33, 65), (1, 1), (70, 50)])
def test_logits_have_the_size_of_the_image(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert FCN8s(5).eval()(torch.randn(2, 3, *size)).shape == (2, 5, *size)


def test_padding_to_the_stride_changes_nothing_where_none_is_needed() -> None:
    network = FCN8s(3).eval()
    image = torch.randn(1, 3, 60, 60)
    padded = torch.zeros(1, 3, 64, 64)
    padded[..., :60, :60] = image
    with torch.inference_mode():
        assert torch.equal(network(image), network(padded)[..., :60, :60])


def test_gradients_reach_every_parameter() -> None:
    network = FCN8s(4)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("bias") or name.startswith("score"):  # batch norm cancels biases before it
            assert parameter.grad.any(), name


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
        assert torch.equal(backbone(image)[2], reference.features(image))


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


def test_a_bare_state_dict_tells_its_network() -> None:
    assert identify(FCN8s(20).state_dict()) == Kind("fcn8s", 20)
    assert identify(vgg11_bn(weights=None).state_dict()) is None
    assert identify({}) is None
