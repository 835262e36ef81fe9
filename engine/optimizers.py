"""Optimisers; weight decay acts on weights, not on biases and the scales of normalisation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Groups = list[dict[str, Any]]

RATE_FACTOR = "rate_factor"
"""Key of a parameter group: factor on the learning rate of the schedule."""


def parameter_groups(network: nn.Module, weight_decay: float, backbone_rate: float = 1.0) -> Groups:
    """The parameters to train: those with decay and those without, of the backbone and of the rest.

    Args:
        network: its attribute `vgg`, if it has one, is the backbone.
        weight_decay: of the weights.
        backbone_rate: factor on the learning rate of the backbone.
    """
    groups: Groups = []
    for is_backbone, rate in ((False, 1.0), (True, backbone_rate)):
        parameters = [
            parameter
            for name, parameter in network.named_parameters()
            if parameter.requires_grad and name.startswith("vgg.") == is_backbone
        ]
        for decays in (True, False):
            own = [parameter for parameter in parameters if (parameter.ndim > 1) == decays]
            if own:
                groups.append({"params": own, "weight_decay": weight_decay if decays else 0.0, RATE_FACTOR: rate})
    return groups


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of a learning rate; states from before there was a factor have none."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(RATE_FACTOR, 1.0)


def caffe_sgd(groups: Groups, rate: float, momentum: float) -> torch.optim.Optimizer:
    """SGD as the authors of FCN trained: plain momentum, biases at twice the rate (Long et al. 2015, section 4.3)."""
    for group in groups:
        if all(parameter.ndim <= 1 for parameter in group["params"]):
            group[RATE_FACTOR] *= 2.0
    return torch.optim.SGD(groups, lr=rate, momentum=momentum)


OPTIMIZERS: dict[str, Callable[[Groups, float, float], torch.optim.Optimizer]] = {
    "adamw": lambda groups, rate, _: torch.optim.AdamW(groups, lr=rate),
    "adam": lambda groups, rate, _: torch.optim.Adam(groups, lr=rate),  # its weight decay is an L2 term of the loss
    "sgd": lambda groups, rate, momentum: torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0),
    "caffe_sgd": caffe_sgd,
}
"""Optimiser by name, built from the groups of parameters, the learning rate and the momentum."""
