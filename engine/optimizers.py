"""Optimisers over the parameters of a network."""

import torch
from torch import nn

OPTIMIZERS = ("adamw", "sgd")


def build_optimizer(
    network: nn.Module, name: str, learning_rate: float, weight_decay: float, backbone_rate: float
) -> torch.optim.Optimizer:
    """An optimiser of that name.

    Weight decay acts on weights, not on biases and the scales of normalisation. Each parameter group has the
    factor of its learning rate as `rate`.

    Args:
        network: its attribute `vgg`, if it has one, is the backbone.
        name: one of OPTIMIZERS.
        learning_rate: of everything but the backbone.
        weight_decay: as the optimiser counts it.
        backbone_rate: factor on the learning rate of the backbone.
    """
    groups = []
    for in_backbone, rate in ((False, 1.0), (True, backbone_rate)):
        parameters = [
            parameter
            for key, parameter in network.named_parameters()
            if parameter.requires_grad and key.startswith("vgg.") == in_backbone
        ]
        for decays in (True, False):
            group = [parameter for parameter in parameters if (parameter.ndim > 1) == decays]
            decay = weight_decay if decays else 0.0
            if group:
                groups.append({"params": group, "weight_decay": decay, "rate": rate, "lr": rate * learning_rate})
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=learning_rate)
