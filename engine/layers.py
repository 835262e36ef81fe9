"""Changes of a network's layers: fold batch normalisation, drop biases, cast weights."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module) -> None:
    """Fold batch normalisation into the weights of the convolution before it in a `Sequential`, for evaluation."""
    for sequence in replaceable_sequentials(network):
        layers: list[nn.Module] = []
        for layer in sequence:
            before = layers[-1] if layers else None
            if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats and type(before) is nn.Conv2d:
                layers[-1] = fuse_conv_bn_eval(before, layer)
            else:
                layers.append(layer)
        replace_layers(sequence, layers)


class BiaslessConv2d(nn.Module):
    """A convolution whose bias stays 0, because the batch normalisation after it subtracts the mean anyway.

    It has the parameters of the convolution under the same names.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self._settings = {
            "stride": convolution.stride,
            "padding": convolution.padding,
            "dilation": convolution.dilation,
            "groups": convolution.groups,
        }

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return functional.conv2d(image, self.weight, None, **self._settings)  # type: ignore[arg-type]


def drop_biases(network: nn.Module) -> None:
    """Move biases before batch normalisation into its running mean, and train without them.

    Subtracting the mean of a batch removes such a bias, so its gradient is 0 except for rounding. But adding it and
    summing up its gradient takes two passes over the largest tensors of a training step. Logits stay the same in
    training and evaluation, and so do the names of weights. Call it again after loading weights.
    """
    for sequence in replaceable_sequentials(network):
        for index, (layer, norm) in enumerate(pairwise(sequence)):
            if not isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm) or norm.running_mean is None:
                continue
            if type(layer) is nn.Conv2d and layer.bias is not None and layer.padding_mode == "zeros":
                layer = sequence[index] = BiaslessConv2d(layer)
            if isinstance(layer, BiaslessConv2d) and layer.bias is not None:
                with torch.no_grad():
                    norm.running_mean -= layer.bias
                    layer.bias.zero_()
                layer.bias.requires_grad_(False)


def cast_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights that autocast would cast in each prediction to its dtype, once.

    Other weights stay in float32, and autocast is still needed. For example, batch normalisation that could not be
    folded keeps its statistics in float32.
    """
    for layer in network.modules():
        if type(layer) in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear):
            for name, weight in list(layer.named_parameters(recurse=False)):
                setattr(layer, name, nn.Parameter(weight.detach().to(dtype), requires_grad=False))


def replaceable_sequentials(network: nn.Module) -> Iterator[nn.Sequential]:
    """All `Sequential`s whose layers have no hooks and are used nowhere else."""
    uses: dict[nn.Module, int] = {}
    for module in network.modules():
        for child in module.children():
            uses[child] = uses.get(child, 0) + 1
    for module in list(network.modules()):
        if type(module) is nn.Sequential and all(uses[layer] == 1 and not _has_hooks(layer) for layer in module):
            yield module


def _has_hooks(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks)


def replace_layers(sequence: nn.Sequential, layers: list[nn.Module]) -> None:
    """Replace all layers of a sequence."""
    del sequence[:]
    sequence.extend(layers)


def pop_relu(rest: list[nn.Module]) -> bool:
    """Remove a ReLU that comes first, or second after a max pooling, with which it commutes; return whether it did."""
    index = 1 if rest and type(rest[0]) is nn.MaxPool2d else 0
    if len(rest) <= index or type(rest[index]) is not nn.ReLU:
        return False
    rest.pop(index)
    return True


def is_2x2_max_pooling(layer: nn.Module) -> bool:
    """Whether a layer is a 2 x 2 max pooling with stride 2, which may round odd sizes down or up."""
    if type(layer) is not nn.MaxPool2d or layer.return_indices:
        return False
    pair = ((2, 2), 2)
    return (
        layer.kernel_size in pair
        and layer.stride in pair
        and layer.padding in (0, (0, 0))
        and layer.dilation in (1, (1, 1))
    )
