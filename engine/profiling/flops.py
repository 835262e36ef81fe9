"""Parameters, FLOPs and least memory traffic of a network, which do not depend on the machine."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class Layer(NamedTuple):
    """One convolution or matrix product."""

    flops: int
    """FLOPs by torch's formulas: two for each multiplication with an addition."""
    elements: int
    """Least number of elements to read and write: inputs, weights and outputs, each once."""


class FlopCount(NamedTuple):
    """Parameters, FLOPs and traffic of a network for one image."""

    parameters: int
    """Number of parameters of the network."""
    layers: tuple[Layer, ...]
    """Layers that torch's counter has a formula for; others, such as ReLU and pooling, are not counted."""

    @property
    def flops(self) -> int:
        """FLOPs of all layers."""
        return sum(layer.flops for layer in self.layers)

    @property
    def elements(self) -> int:
        """Least number of elements to read and write, over all layers."""
        return sum(layer.elements for layer in self.layers)

    def floor_seconds(self, flops_per_second: float, bytes_per_second: float, itemsize: int) -> float:
        """Least seconds on a device with these peaks by the roofline model, one layer after the other.

        Each layer takes the longer one of the times of its arithmetic and its traffic; everything between layers counts
        as free (Williams, Waterman and Patterson 2009).
        """
        return sum(
            max(layer.flops / flops_per_second, layer.elements * itemsize / bytes_per_second) for layer in self.layers
        )


def count(network: nn.Module, size: tuple[int, int]) -> FlopCount:
    """Count for a (1, 3, H, W) image, on torch's meta device without computing if the network allows it."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    counter = _Counter()
    try:
        _run(copy.deepcopy(network).to("meta"), size, counter)
    except (NotImplementedError, RuntimeError):  # its control flow depends on values, which meta tensors lack
        counter = _Counter()
        _run(network, size, counter)
    return FlopCount(parameters, tuple(counter.layers))


def _run(network: nn.Module, size: tuple[int, int], counter: "_Counter") -> None:
    device = next(iter(network.parameters())).device
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, 3, *size, device=device))


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Mode that records each operation that torch has a FLOP formula for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: list[Layer] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula: Callable[..., int] | None = flop_registry.get(func._overloadpacket)
        if formula is not None:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
            flops = int(formula(*args, **kwargs, out_val=result))
            self.layers.append(Layer(flops, sum(tensor.numel() for tensor in tensors)))
        return result
