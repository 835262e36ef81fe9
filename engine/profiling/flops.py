"""What a network costs on any machine: parameters, and the arithmetic and memory traffic of one image."""

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
    """Multiplications and additions, as torch's own counter counts them: two for each pair."""
    elements: int
    """Numbers that must be read and written at least: what goes in, the weights, what comes out, each once."""


class FlopCount(NamedTuple):
    """Of a network, for one image of one size."""

    parameters: int
    layers: tuple[Layer, ...]
    """All that torch's counter has a formula for; the rest, as ReLU and pooling, is left out as it does."""

    @property
    def flops(self) -> int:
        """Of all layers."""
        return sum(layer.flops for layer in self.layers)

    @property
    def elements(self) -> int:
        """Of all layers."""
        return sum(layer.elements for layer in self.layers)

    def floor_seconds(self, flops_per_second: float, bytes_per_second: float, itemsize: int) -> float:
        """The least time that a device with these peaks needs, layer after layer (the roofline model).

        Each layer takes what takes longer, its arithmetic or its traffic; all between layers is taken as free
        (Williams, Waterman and Patterson 2009).
        """
        return sum(
            max(layer.flops / flops_per_second, layer.elements * itemsize / bytes_per_second) for layer in self.layers
        )


def count(network: nn.Module, size: tuple[int, int]) -> FlopCount:
    """Count for a (1, 3, H, W) image; on torch's meta device, which computes nothing, where the network allows it."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    counter = _Counter()
    try:
        _run(copy.deepcopy(network).to("meta"), size, counter)
    except (NotImplementedError, RuntimeError):  # it looks at values, which are not there
        counter = _Counter()
        _run(network, size, counter)
    return FlopCount(parameters, tuple(counter.layers))


def _run(network: nn.Module, size: tuple[int, int], counter: "_Counter") -> None:
    device = next(iter(network.parameters())).device
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, 3, *size, device=device))


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each operation that torch has a formula for."""

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
