"""What is about to be trained, in as much detail as is asked for."""

import torch
from torch import nn


def describe(network: nn.Module, optimizer: torch.optim.Optimizer, detail: int) -> str:
    """The architecture (detail 1), the optimiser too (2), and every parameter's size (3)."""
    parts = [str(network), _settings(optimizer), _sizes(network)]
    return "\n\n".join(parts[:detail])


def _settings(optimizer: torch.optim.Optimizer) -> str:
    lines = [type(optimizer).__name__]
    for group in optimizer.param_groups:
        settings = ", ".join(f"{name} {value}" for name, value in group.items() if name != "params")
        lines.append(f"  {sum(parameter.numel() for parameter in group['params']):,} parameters: {settings}")
    return "\n".join(lines)


def _sizes(network: nn.Module) -> str:
    parameters = dict(network.named_parameters())
    width = max(map(len, parameters), default=0)
    lines = [
        f"  {name:<{width}}  {parameter.numel():>11,}  {' x '.join(map(str, parameter.shape))}"
        + ("" if parameter.requires_grad else "  (fixed)")
        for name, parameter in parameters.items()
    ]
    return "\n".join([f"{sum(parameter.numel() for parameter in parameters.values()):,} parameters", *lines])
