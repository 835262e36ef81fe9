"""Exponential moving average (EMA) of a network's weights and batch statistics."""

import copy
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ExponentialMovingAverage:
    """A copy of a network that follows it as an exponential moving average (Tarvainen and Valpola 2017, section 3).

    The first update copies the weights, each later one moves the average by 1 - decay of the way towards them. An
    update is a handful of kernels for all weights together and never waits for the device, so it can be part of a
    CUDA graph once it has run eagerly.

    Args:
        network: to follow; it must be on its device already.
        decay: share of the average that an update keeps, 0 to 1, for example 0.999.
        frozen: a part of it that does not change, and so needs no average; else rounding might change it.
    """

    def __init__(self, network: nn.Module, decay: float, frozen: nn.Module | None = None) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        """The averaged network, in evaluation mode."""
        self._begun = False
        self._mix = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        averages, values = ([*n.parameters(), *n.buffers()] for n in (self.network, network))
        still = set() if frozen is None else {id(value) for value in (*frozen.parameters(), *frozen.buffers())}
        pairs = [pair for pair in zip(averages, values, strict=True) if id(pair[1]) not in still]
        # Apart by dtype, because the library's function takes one dtype at a time.
        self._groups = [
            ([average for average, _ in pairs if average.dtype == dtype], [v for _, v in pairs if v.dtype == dtype])
            for dtype in dict.fromkeys(average.dtype for average, _ in pairs)
        ]

    @torch.no_grad()
    def update(self) -> None:
        """Follow the network as it is now."""
        for averages, values in self._groups:
            current = [value.detach() for value in values]
            if self._begun:
                self._mix(averages, current, 0)
            else:
                for average, value in zip(averages, current, strict=True):
                    average.copy_(value)
        self._begun = True

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights, and whether there was an update yet."""
        return {"network": self.network.state_dict(), "begun": self._begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self._begun = state["begun"]
