"""The VGG feature extractor, cut where its stride doubles."""

import torch
from torch import nn

from fcn.weights import mismatches

CONVOLUTIONS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""How many there are before each of the five poolings (Simonyan and Zisserman 2015, table 1, A, B, D and E).

Each network also comes as `<name>_bn`, with batch normalisation.
"""

CHANNELS = {8: 256, 16: 512, 32: 512}
"""Of the features at each stride, in every variant."""

_CHANNELS_OF_STAGES = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """The convolutional part of a VGG network (Simonyan and Zisserman 2015), without its classifier.

    Args:
        variant: a name of torchvision's, as `vgg16` or `vgg11_bn`.
        ceil_mode: round odd sizes up when pooling, as Caffe does, where PyTorch rounds them down.
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
        """The parts that follow one another, by the stride of what comes out of each: (N, C, H/stride, W/stride)."""
        return {8: self.os_8, 16: self.os_16, 32: self.os_32}

    def load_torchvision(self, weights: dict[str, torch.Tensor]) -> None:
        """Load the state dict of a torchvision VGG; its classifier is left out.

        Raises:
            ValueError: with the list of what is missing, superfluous or of another shape.
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
    """The layers between two halvings of the image, the pooling that halves it included.

    A stage ends with pooling and ReLU, which torchvision has the other way round. Maxima commute with ReLU, so logits
    and gradients are the same, and ReLU has a quarter of the numbers to read and write. Neither layer has parameters,
    so the numbers in the names of weights are torchvision's.
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
    """Weights that keep the variance of signals through ReLUs (He et al. 2015), no bias."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
