"""A fake GPU that computes nothing: its tensors have a shape, a type and a device, but no content."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from engine import layers

DEVICE = torch.device("cuda:0")


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Make all new tensors fake within this context; a network must be in channels_last memory before."""
    to, fold = nn.Module.to, layers.fold_norms

    def to_any(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        if set(kwargs) == {"memory_format"}:  # changing the memory format fails on fake parameters
            return module
        return to(module, *args, **kwargs)

    def fold_real(network: nn.Module) -> None:
        with unset_fake_temporarily():  # copying a fake parameter crashes the interpreter with torch 2.11
            fold(network)

    with (
        mock.patch.object(nn.Module, "to", to_any),
        mock.patch("engine.inference.network.fold_norms", fold_real),
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
        mock.patch("torch.cuda.is_bf16_supported", return_value=True),
        mock.patch("torch.cuda.get_device_capability", return_value=(9, 0)),
        FakeTensorMode(allow_non_fake_inputs=True),
    ):
        yield


def fake_image(height: int, width: int, number: int = 1) -> torch.Tensor:
    """Fake images (N, 3, H, W) uint8 in the memory format of `Predictor.transfer`."""
    return torch.empty(number, height, width, 3, dtype=torch.uint8, device=DEVICE).permute(0, 3, 1, 2)
