"""Layers that run Triton kernels, for predictions on GPUs."""

from collections.abc import Callable
from typing import TypeGuard, cast

import torch
from torch import nn

from engine.inference.upsampling import CoarseNetwork, StepwiseNetwork
from engine.layers import is_2x2_max_pooling, pop_relu, replace_layers, replaceable_sequentials
from engine.normalization import Normalize

_MAX_PIXELS = 1 << 29
"""Most pixels of an image with its padding, because the kernel counts pixels of three channels in 32 bits."""


class FusedConvolution(nn.Module):
    """A convolution by cuDNN, with bias, pooling and ReLU fused into one Triton kernel."""

    def __init__(self, plain: nn.Conv2d, pool: nn.MaxPool2d | None) -> None:
        super().__init__()
        self.plain, self.pool = plain, pool
        bias = plain.weight.new_zeros(plain.out_channels) if plain.bias is None else plain.bias.detach()
        plain.bias = None
        self.bias: torch.Tensor
        self.register_buffer("bias", bias.float(), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W), or half as high and wide."""
        from engine.kernels.epilogue import bias_pool_relu, bias_relu_

        convolved = self.plain(image).contiguous(memory_format=torch.channels_last)
        if self.pool is not None:
            pooled: torch.Tensor = bias_pool_relu(convolved, self.bias, self.pool.ceil_mode)
            return pooled
        bias_relu_(convolved, self.bias)
        return cast("torch.Tensor", convolved)


class FirstBlock(nn.Module):
    """The first layers of a network, which take a uint8 image before normalisation and padding.

    They take an image of any other dtype as normalised and padded already.
    """

    def __init__(
        self, fused: FusedConvolution, normalize: Normalize, padding: Callable[[int, int], tuple[int, int, int, int]]
    ) -> None:
        super().__init__()
        self.fused, self.normalize, self._padding = fused, normalize, padding

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, C, h, w)."""
        if image.dtype != torch.uint8:
            return cast("torch.Tensor", self.fused(image))
        from engine.kernels.first_block import first_block

        pool = self.fused.pool
        result: torch.Tensor = first_block(
            image.contiguous(memory_format=torch.channels_last),
            self.fused.plain.weight,
            self.fused.bias,
            self.normalize.mean.flatten(),
            self.normalize.std.flatten(),
            list(self._padding(image.shape[-2], image.shape[-1])),
            1 if pool is None else 2,
            pool is not None and pool.ceil_mode,
        )
        return result


def use_kernels(network: nn.Module) -> None:
    """Replace each convolution that ReLU follows in a `Sequential` by a `FusedConvolution`."""
    for sequence in replaceable_sequentials(network):
        layers: list[nn.Module] = []
        rest = list(sequence)
        while rest:
            layer = rest.pop(0)
            if type(layer) is nn.Conv2d and pop_relu(rest):
                pool = cast("nn.MaxPool2d", rest.pop(0)) if rest and is_2x2_max_pooling(rest[0]) else None
                layers.append(FusedConvolution(layer, pool))
            else:
                layers.append(layer)
        replace_layers(sequence, layers)


class CoarseScorer:
    """Runs a `StepwiseNetwork` from uint8 images to coarse scores by Triton kernels.

    Args:
        network: the network, after `use_kernels`; its first layers are changed.
        normalize: normalisation of its images.
        dtype: dtype of its weights.
    """

    def __init__(self, network: StepwiseNetwork, normalize: Normalize, dtype: torch.dtype) -> None:
        from engine.kernels.scores import pack_upsampling, pack_weights

        self._network, self._normalize = network, normalize
        network.stem[0] = FirstBlock(cast("FusedConvolution", network.stem[0]), normalize, network.padding)
        self._weights = [
            (
                *pack_weights(merge.score, dtype),
                None if merge.upsampling is None else pack_upsampling(merge.upsampling, dtype),
            )
            for merge in network.merges
        ]

    @staticmethod
    def suits(network: object) -> TypeGuard[StepwiseNetwork]:
        """Whether kernels exist for all steps of a network, after `use_kernels`."""
        from engine.kernels import first_block, scores

        if not isinstance(network, StepwiseNetwork) or not isinstance(first := network.stem[0], FusedConvolution):
            return False
        plain = first.plain
        return (
            (plain.in_channels, plain.kernel_size, plain.padding) == (3, (3, 3), (1, 1))
            and plain.stride == plain.dilation == (1, 1)
            and plain.padding_mode == "zeros"
            and plain.out_channels <= first_block.MAX_CHANNELS
            and network.upsampling.in_channels <= scores.MAX_CLASSES
        )

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 -> (N, C, h, w)."""
        from engine.kernels.scores import scores

        left, right, top, bottom = self._network.padding(image.shape[-2], image.shape[-1])
        if len(image) * (top + image.shape[-2] + bottom) * (left + image.shape[-1] + right) > _MAX_PIXELS:
            return self._network.coarse(self._normalize(image))
        found: torch.Tensor | None = None
        steps = zip(self._network.features(image), self._network.merges, self._weights, strict=True)
        for features, merge, (weight, bias, upsampling) in steps:
            padding = 0 if merge.upsampling is None else int(merge.upsampling.padding[0])
            classes = merge.score.out_channels
            features = features.contiguous(memory_format=torch.channels_last)
            found = scores(features, weight, bias, merge.factor, merge.offset, classes, found, upsampling, padding)
        if found is None:
            raise ValueError("the network has no merges")
        return found


class UpsampleToIds:
    """Upsamples coarse scores and classifies pixels by one Triton kernel.

    Args:
        network: the network that computes the scores.
        table: (256,) uint8 ids of the classes.
        dtype: dtype of the scores.
    """

    def __init__(self, network: CoarseNetwork, table: torch.Tensor, dtype: torch.dtype) -> None:
        from engine.kernels.ids import pack_weights

        layer = network.upsampling
        self._matrix, self._table = pack_weights(layer, dtype), table
        self._offset, self._stride = network.final_offset + int(layer.padding[0]), int(layer.stride[0])

    @staticmethod
    def suits(network: CoarseNetwork) -> bool:
        """Whether the kernel supports the network's number of classes."""
        from engine.kernels.ids import MAX_CLASSES

        return network.upsampling.in_channels <= MAX_CLASSES

    def __call__(self, scores: torch.Tensor, size: tuple[int, int], finite: torch.Tensor) -> torch.Tensor:
        """(1, C, h, w) -> (H, W) uint8; `finite` becomes False if a score is NaN or infinite."""
        from engine.kernels.ids import ids

        scores = scores.contiguous(memory_format=torch.channels_last)
        found: torch.Tensor = ids(scores, self._matrix, self._table, finite, self._offset, self._stride, *size)
        return found
