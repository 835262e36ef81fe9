"""Pooling and ReLU in one kernel, as a layer."""

from itertools import pairwise
from typing import cast

import torch
from torch import nn

from engine.layers import is_2x2_max_pooling, replaceable_sequentials


class PoolReLU(nn.Module):
    """2 x 2 max pooling and ReLU, for training; both as one kernel, as their gradient is."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.ceil_mode = pool.ceil_mode

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> half as high and wide."""
        from engine.kernels.pool_relu import pool_relu, reference

        if torch.compiler.is_compiling():  # which fuses them with what comes before
            return reference(image, self.ceil_mode)
        result: torch.Tensor = pool_relu(image.contiguous(memory_format=torch.channels_last), self.ceil_mode)[0]
        return result


def use_pooling_kernels(network: nn.Module) -> None:
    """Put `PoolReLU` in the place of pooling and ReLU, for training on a GPU where `choose_kernels` has said yes.

    All bits of logits and gradients stay, and so do the names of weights. The network must be `fusible`.
    """
    for sequence in replaceable_sequentials(network):
        layers = list(sequence)
        for place, (pool, relu) in enumerate(pairwise(sequence)):
            if is_2x2_max_pooling(pool) and type(relu) is nn.ReLU:
                layers[place : place + 2] = PoolReLU(cast("nn.MaxPool2d", pool)), nn.Identity()
        for place, layer in enumerate(layers):
            sequence[place] = layer
