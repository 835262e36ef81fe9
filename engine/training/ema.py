"""Exponential moving average (EMA) of a network's weights and batch statistics."""

import copy
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ExponentialMovingAverage:
    """Exponential moving average (EMA) of a network's weights (Tarvainen and Valpola 2017, section 3).

    The first update copies the weights; each later one computes decay x average + (1 - decay) x weights. An update
    takes a few kernels for all weights together and never waits for the device, so it can be part of a CUDA graph
    once it has run eagerly.

    Args:
        network: network to average; it must be on its device already.
        decay: share of the average that an update keeps, 0 to 1, for example 0.999.
        frozen: part of the network that does not change; it is left out, because rounding might change it.
    """

    def __init__(self, network: nn.Module, decay: float, frozen: nn.Module | None = None) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        """The averaged network, in evaluation mode."""
        self._begun = False
        self._mix = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        averages, values = ([*n.parameters(), *n.buffers()] for n in (self.network, network))
        still = set() if frozen is None else {id(value) for value in (*frozen.parameters(), *frozen.buffers())}
        pairs = [pair for pair in zip(averages, values, strict=True) if id(pair[1]) not in still]
        # Grouped by dtype, because the library's function takes one dtype at a time.
        self._groups = [
            ([average for average, _ in pairs if average.dtype == dtype], [v for _, v in pairs if v.dtype == dtype])
            for dtype in dict.fromkeys(average.dtype for average, _ in pairs)
        ]

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights."""
        for averages, values in self._groups:
            current = [value.detach() for value in values]
            if self._begun:
                self._mix(averages, current, 0)
            else:
                for average, value in zip(averages, current, strict=True):
                    average.copy_(value)
        self._begun = True

    def state_dict(self) -> dict[str, Any]:
        """State dict: the averaged weights, and whether there was an update yet."""
        return {"network": self.network.state_dict(), "begun": self._begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self._begun = state["begun"]
