"""The VGG feature extractor, split into parts by stride."""

import torch
from torch import nn

from fcn.weights import mismatches

CONVOLUTIONS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Number of convolutions before each of the five poolings (Simonyan and Zisserman 2015, table 1, A, B, D and E).

Each network also exists as `<name>_bn`, with batch normalisation.
"""

CHANNELS = {8: 256, 16: 512, 32: 512}
"""Stride -> channels of the features, in every variant."""

_CHANNELS_OF_STAGES = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """The convolutional part of a VGG network (Simonyan and Zisserman 2015), without its classifier.

    Args:
        variant: a name in torchvision, for example `vgg16` or `vgg11_bn`.
        ceil_mode: round odd sizes up when pooling, as Caffe does; by default they are rounded down.
    """

    def __init__(self, variant: str = "vgg11_bn", ceil_mode: bool = False) -> None:
        super().__init__()
        self.variant = variant
        stages = _stages(variant.removesuffix("_bn"), variant.endswith("_bn"), ceil_mode)
        self.os_8 = nn.Sequential(*stages[0], *stages[1], *stages[2])
        self.os_16 = nn.Sequential(*stages[3])
        self.os_32 = nn.Sequential(*stages[4])
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                initialise(layer)

    @property
    def stages(self) -> dict[int, nn.Sequential]:
        """Stride of the output -> part, in the order in which they run; outputs are (N, C, H/stride, W/stride)."""
        return {8: self.os_8, 16: self.os_16, 32: self.os_32}

    def load_torchvision(self, weights: dict[str, torch.Tensor]) -> None:
        """Load the state dict of a torchvision VGG without its classifier.

        Raises:
            ValueError: with the list of missing and unknown tensors, and of those with another shape.
        """
        theirs = {key.removeprefix("features."): value for key, value in weights.items() if key.startswith("features.")}
        renamed: dict[str, torch.Tensor] = {}
        offset = 0
        for name, part in (("os_8", self.os_8), ("os_16", self.os_16), ("os_32", self.os_32)):
            for index in range(len(part)):
                prefix = f"{offset + index}."
                for key in [key for key in theirs if key.startswith(prefix)]:
                    renamed[f"{name}.{index}.{key.removeprefix(prefix)}"] = theirs.pop(key)
            offset += len(part)
        renamed |= {f"features.{key}": value for key, value in theirs.items()}
        if wrong := mismatches(self.state_dict(), renamed):
            raise ValueError("\n".join(wrong))
        self.load_state_dict(renamed)


def _stages(name: str, norm: bool, ceil_mode: bool) -> list[list[nn.Module]]:
    """The layers of each stage, which ends with the pooling that halves the image.

    A stage ends with pooling and ReLU; in torchvision their order is ReLU and pooling. Maxima commute with ReLU, so
    logits and gradients are the same, and ReLU reads and writes a quarter of the values. Neither layer has parameters,
    so the numbers in the names of weights equal those of torchvision.
    """
    stages: list[list[nn.Module]] = []
    before = 3
    for convolutions, channels in zip(CONVOLUTIONS[name], _CHANNELS_OF_STAGES, strict=True):
        stage: list[nn.Module] = []
        for number in range(convolutions):
            stage.append(nn.Conv2d(before, channels, kernel_size=3, padding=1))
            if norm:
                stage.append(nn.BatchNorm2d(channels))
            if number == convolutions - 1:
                stage.append(nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=ceil_mode))
            stage.append(nn.ReLU(inplace=True))
            before = channels
        stages.append(stage)
    return stages


def initialise(convolution: nn.Conv2d) -> None:
    """Initialise for ReLUs (He et al. 2015), with zero bias."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
