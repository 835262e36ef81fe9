"""U-Net against a reference implementation."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

import catalogue.weights
from tests.fcn.random_weights import (
    CLASSES,
    SIZES,
    Weights,
    assert_equal_logits,
    named,
    random_convolution,
    random_norm,
)


def unet_weights(valid: bool) -> Weights:
    weights: Weights = {}

    def block(prefix: str, channels_in: int, channels_out: int) -> None:
        for number, channels in enumerate((channels_in, channels_out)):
            layer = random_convolution(channels, channels_out, 3)
            place = number * (2 if valid else 3)
            if not valid:
                del layer["bias"]
                weights.update(named(f"{prefix}.{place + 1}", random_norm(channels_out)))
            weights.update(named(f"{prefix}.{place}", layer))

    for level, (below, above) in enumerate(zip((3, 64, 128, 256, 512), (64, 128, 256, 512, 1024), strict=True)):
        block(f"down.{level}", below, above)
    for step, width in enumerate((512, 256, 128, 64)):
        weights |= {
            f"up.{step}.weight": torch.randn(2 * width, width, 2, 2) * (1 / width) ** 0.5,
            f"up.{step}.bias": 0.1 * torch.randn(width),
        }
        block(f"merge.{step}", 2 * width, width)
    return weights | named("score", random_convolution(64, CLASSES, 1, gain=1))


def unet_reference(image: torch.Tensor, w: Weights, valid: bool) -> torch.Tensor:
    """Figure 1 of the paper, for an image whose sides fit."""

    def block(features: torch.Tensor, prefix: str) -> torch.Tensor:
        if valid:
            features = functional.conv2d(features, w[f"{prefix}.0.weight"], w[f"{prefix}.0.bias"]).relu()
            return functional.conv2d(features, w[f"{prefix}.2.weight"], w[f"{prefix}.2.bias"]).relu()
        for place in (0, 3):
            features = functional.conv2d(features, w[f"{prefix}.{place}.weight"], padding=1)
            norm = f"{prefix}.{place + 1}"
            mean, variance = w[f"{norm}.running_mean"], w[f"{norm}.running_var"]
            gamma, beta = w[f"{norm}.weight"], w[f"{norm}.bias"]
            features = functional.batch_norm(features, mean, variance, gamma, beta).relu()
        return features

    levels = [block(image, "down.0")]
    for level in range(1, 5):
        levels.append(block(functional.max_pool2d(levels[-1], 2), f"down.{level}"))
    features = levels.pop()
    for step in range(4):
        features = functional.conv_transpose2d(features, w[f"up.{step}.weight"], w[f"up.{step}.bias"], stride=2)
        skip = levels.pop()
        border = (skip.shape[2] - features.shape[2]) // 2
        skip = functional.pad(skip, (-border, -border, -border, -border))
        features = block(torch.cat([skip, features], 1), f"merge.{step}")
    return functional.conv2d(features, w["score.weight"], w["score.bias"])


@pytest.mark.parametrize("valid", [False, True], ids=["padded", "valid"])
def test_unet(valid: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    weights = unet_weights(valid)
    torch.save({"state_dict": weights}, tmp_path / "foreign.pth")
    network, about, _ = catalogue.weights.load_network(tmp_path / "foreign.pth")
    assert about.network == ("unet_valid" if valid else "unet")
    network.eval()
    # In the paper's form sides are larger than the border, so mirroring equals `reflect` of functional.pad.
    for height, width in [(99, 100), (107, 116)] if valid else SIZES:
        image = torch.randn(1, 3, height, width)
        if valid:
            more = [(4 - side) % 16 + 92 for side in (height, width)]
            framed = functional.pad(image, (92, more[1], 92, more[0]), mode="reflect")
        else:
            framed = functional.pad(image, (0, -width % 16, 0, -height % 16))
        with torch.inference_mode():
            expected = unet_reference(framed, weights, valid)[..., :height, :width]
            assert_equal_logits(network(image), expected)
