"""Networks with the layer order of the original FCN8s repository, for contenders that run them as written there."""

from itertools import pairwise

from torch import nn


def relu_first(network: nn.Module) -> nn.Module:
    """Change a network with a VGG backbone to torchvision's layer order: ReLU, then pooling.

    Our networks pool first, which gives the same values and moves fewer bytes. Weights fit both orders, because neither
    layer has weights.

    Returns:
        The same network, changed in place.
    """
    for stage in network.vgg.stages.values():  # type: ignore[operator, union-attr]
        layers = list(stage)
        for index, (first, second) in enumerate(pairwise(stage)):
            if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
                layers[index : index + 2] = second, first
        del stage[:]
        stage.extend(layers)
    return network
