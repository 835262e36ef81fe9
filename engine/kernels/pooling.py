"""Layer of pooling and ReLU in one kernel, for training."""

from itertools import pairwise
from typing import cast

import torch
from torch import nn

from engine.layers import is_2x2_max_pooling, replaceable_sequentials


class PoolReLU(nn.Module):
    """2 x 2 max pooling and ReLU for training, as one kernel, with one for their gradient."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.ceil_mode = pool.ceil_mode

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> half as high and wide."""
        from engine.kernels.pool_relu import pool_relu, reference

        if torch.compiler.is_compiling():  # torch.compile fuses them with the steps before
            return reference(image, self.ceil_mode)
        result: torch.Tensor = pool_relu(image.contiguous(memory_format=torch.channels_last), self.ceil_mode)[0]
        return result


def use_pooling_kernels(network: nn.Module) -> None:
    """Replace pooling and ReLU by `PoolReLU`, for training on a GPU where `choose_kernels` returned True.

    Logits and gradients stay the same bit for bit, and so do the names of weights. The network must be `fusible`.
    """
    for sequence in replaceable_sequentials(network):
        layers = list(sequence)
        for index, (pool, relu) in enumerate(pairwise(sequence)):
            if is_2x2_max_pooling(pool) and type(relu) is nn.ReLU:
                layers[index : index + 2] = PoolReLU(cast("nn.MaxPool2d", pool)), nn.Identity()
        for index, layer in enumerate(layers):
            sequence[index] = layer
