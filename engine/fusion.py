"""Layers that a prediction can do without, or do at once: only the order and rounding of sums changes."""

from collections.abc import Iterator
from typing import cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.chain import Chain, Crew
from engine.convolution import Convolution, Direct
from engine.winograd import Winograd
from engine.workspace import Workspace

_FEWEST_CHANNELS = 16
"""For Winograd's convolutions; with fewer channels in, the direct way is faster."""


def fold_norms(network: nn.Module) -> None:
    """Take batch normalisation that follows a convolution in a `Sequential` into its weights, for evaluation."""
    for sequence in _sequences(network):
        layers: list[nn.Module] = []
        for layer in sequence:
            before = layers[-1] if layers else None
            if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats and type(before) is nn.Conv2d:
                layers[-1] = fuse_conv_bn_eval(before, layer)
            else:
                layers.append(layer)
        _replace(sequence, layers)


def use_winograd(network: nn.Module, workspace: Workspace) -> None:
    """Put the convolutions of `Sequential`s, with their ReLU and pooling, into `Chain`s that work in that memory."""
    crew = Crew()
    for sequence in _sequences(network):
        layers: list[nn.Module] = []
        stages: list[Convolution] = []
        rest = list(sequence)
        while rest:
            if _suits(rest[0]):
                stages.append(_stage(rest, workspace))
                continue
            if stages:
                layers.append(Chain(stages, workspace, crew))
                stages = []
            layers.append(rest.pop(0))
        _replace(sequence, [*layers, *([Chain(stages, workspace, crew)] if stages else [])])


def _sequences(network: nn.Module) -> Iterator[nn.Sequential]:
    """The sequences whose layers are used nowhere else and watched by nobody."""
    uses: dict[nn.Module, int] = {}
    for module in network.modules():
        for child in module.children():
            uses[child] = uses.get(child, 0) + 1
    for module in list(network.modules()):
        if type(module) is nn.Sequential and all(uses[layer] == 1 and not _watched(layer) for layer in module):
            yield module


def _watched(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks)


def _replace(sequence: nn.Sequential, layers: list[nn.Module]) -> None:
    del sequence[:]
    sequence.extend(layers)


def _suits(layer: nn.Module) -> bool:
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.stride == layer.dilation == (1, 1)
        and layer.padding in ((0, 0), (1, 1))
        and layer.padding_mode == "zeros"
        and layer.groups == 1
    )


def _stage(rest: list[nn.Module], workspace: Workspace) -> Convolution:
    """Take a convolution off the front of the layers, with the ReLU and the pooling that follow."""
    convolution = cast("nn.Conv2d", rest.pop(0))
    if len(rest) > 1 and type(rest[0]) is nn.MaxPool2d and type(rest[1]) is nn.ReLU:
        rest[:2] = rest[1::-1]  # maxima commute with ReLU
    relu = bool(rest) and type(rest[0]) is nn.ReLU
    if relu:
        rest.pop(0)
    pool = bool(rest) and _halves(rest[0])
    if pool:
        rest.pop(0)
    kind = Direct if convolution.in_channels < _FEWEST_CHANNELS else Winograd
    return kind(convolution, relu, pool, workspace)


def _halves(layer: nn.Module) -> bool:
    if type(layer) is not nn.MaxPool2d or layer.ceil_mode:
        return False
    pair = ((2, 2), 2)
    return (
        layer.kernel_size in pair
        and layer.stride in pair
        and layer.padding in (0, (0, 0))
        and layer.dilation in (1, (1, 1))
    )
