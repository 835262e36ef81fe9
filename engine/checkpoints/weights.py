"""State dicts: finding them in checkpoints, and refusing tensors that are not weights."""

from pathlib import Path
from typing import Any

import torch

from engine.errors import InputError

StateDict = dict[str, torch.Tensor]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_COUNTERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
"""Types of buffers such as `num_batches_tracked`; if a network expects floats, they are refused later."""
_SHOWN = 4
"""Largest number of names in one message."""
_NESTED = ("weights", "model_state_dict", "state_dict", "model")
"""Keys under which programs keep the weights of a checkpoint; the first is ours."""


def find_weights(content: Any) -> StateDict | None:
    """The state dict in a checkpoint, without the prefix `module.` of data-parallel training, or None."""
    if not isinstance(content, dict):
        return None
    for key in _NESTED:
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    named = all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())
    weights = {key.removeprefix("module."): value for key, value in content.items()} if named else {}
    # A name that occurs with and without `module.` makes the state dict ambiguous.
    return weights if weights and len(weights) == len(content) else None


def require_usable(path: Path, weights: StateDict) -> None:
    """Refuse tensors that cannot be weights of a network, or that are not finite in float32.

    Raises:
        InputError: with the number of such tensors and examples.
    """
    wrong = {name: what for name, tensor in weights.items() if (what := _unusable(tensor))}
    if wrong:
        listed = "; ".join(f"{name}: {what}" for name, what in list(wrong.items())[:_SHOWN])
        raise InputError(
            f"{path}: {len(wrong)} of its {len(weights)} tensors are not weights of a network ({listed}); expected "
            "dense tensors of float16, bfloat16, float32 or float64. Save the network's own state dict, on the CPU"
        )
    infinite = [name for name, tensor in weights.items() if not _is_finite(tensor)]
    if infinite:
        raise InputError(
            f"{path}: NaN or infinite in float32 in {len(infinite)} of its {len(weights)} tensors, first in "
            f"{infinite[0]}; its training went wrong, or the file is damaged: take an earlier one, or train again with "
            "a lower --learning_rate"
        )


def _unusable(tensor: torch.Tensor) -> str | None:
    """The reason why a tensor cannot be part of a network; None if it can."""
    if tensor.is_nested:
        return "nested"
    if tensor.layout != torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    if tensor.device.type != "cpu":
        return f"on device {tensor.device.type}, without values"
    if tensor.dtype not in (*_FLOATS, *_COUNTERS):
        return str(tensor.dtype).removeprefix("torch.")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"{tuple(tensor.shape)}, more numbers than it stores"
    return None


def _is_finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite in float32, without a copy of them."""
    if tensor.numel() == 0 or tensor.dtype not in _FLOATS:
        return True
    low, high = tensor.detach().aminmax()
    largest = torch.finfo(torch.float32).max
    return -largest <= low.item() and high.item() <= largest  # false for NaN
