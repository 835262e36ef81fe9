"""The VGG feature extractor, cut where its stride doubles."""

import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

CONFIGURATIONS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
"""Simonyan and Zisserman's letters for the networks, as torchvision uses them; each also comes as `<name>_bn`."""

CHANNELS = {8: 256, 16: 512, 32: 512}
"""Of the features at each stride, in every variant."""


class VGG(nn.Module):
    """The convolutional part of a VGG network (Simonyan and Zisserman 2015), without its classifier.

    Args:
        variant: a name of torchvision's, as `vgg16` or `vgg11_bn`.
        ceil_mode: round odd sizes up when pooling, as Caffe does, where PyTorch rounds them down.
    """

    def __init__(self, variant: str = "vgg11_bn", ceil_mode: bool = False) -> None:
        super().__init__()
        self.variant = variant
        configuration = cfgs[CONFIGURATIONS[variant.removesuffix("_bn")]]
        layers = list(make_layers(configuration, batch_norm=variant.endswith("_bn")))
        pools = [index + 1 for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        self.os_8 = nn.Sequential(*layers[: pools[2]])
        self.os_16 = nn.Sequential(*layers[pools[2] : pools[3]])
        self.os_32 = nn.Sequential(*layers[pools[3] :])
        for layer in layers:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = ceil_mode
            elif isinstance(layer, nn.Conv2d):
                initialise(layer)

    def forward(self, image: torch.Tensor) -> dict[int, torch.Tensor]:
        """Features of a (N, 3, H, W) image by their stride: 8, 16 and 32."""
        stride_8 = self.os_8(image)  # (N, 256, H/8, W/8)
        stride_16 = self.os_16(stride_8)  # (N, 512, H/16, W/16)
        stride_32 = self.os_32(stride_16)  # (N, 512, H/32, W/32)
        return {8: stride_8, 16: stride_16, 32: stride_32}

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


def initialise(convolution: nn.Conv2d) -> None:
    """Weights that keep the variance of signals through ReLUs (He et al. 2015), no bias."""
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def mismatches(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> list[str]:
    """What keeps the state dict `found` from being loaded where `expected` is the present one."""
    return [
        *(f"missing: {key} {tuple(expected[key].shape)}" for key in expected if key not in found),
        *(f"not known here: {key}" for key in found if key not in expected),
        *(
            f"of another shape: {key} is {tuple(found[key].shape)}, expected {tuple(expected[key].shape)}"
            for key in expected
            if key in found and found[key].shape != expected[key].shape
        ),
    ]
