"""Networks in the original repository's order of layers, for the contenders that run them as written there."""

from itertools import pairwise

from torch import nn


def relu_first(network: nn.Module) -> nn.Module:
    """Change a network with a VGG backbone to torchvision's order: ReLU, then pooling.

    Ours pools first, which gives the same numbers and moves fewer bytes. Weights fit both orders, because neither
    layer has any.
    """
    for stage in network.vgg.stages.values():  # type: ignore[operator, union-attr]
        layers = list(stage)
        for place, (first, second) in enumerate(pairwise(stage)):
            if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
                layers[place : place + 2] = second, first
        del stage[:]
        stage.extend(layers)
    return network
