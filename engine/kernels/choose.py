"""Choice between Triton's kernels and torch's."""

import importlib.util
import sys
from typing import Literal

import torch

from engine.errors import InputError

Kernels = Literal["auto", "triton", "torch"]
"""Kernels of a prediction: auto is Triton's on GPUs on which they run, otherwise torch's."""

_MIN_CAPABILITY = (8, 0)
"""Smallest compute capability of a GPU; Triton does not use the tensor cores of older ones."""


def choose_kernels(kernels: Kernels, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether to run Triton's kernels.

    Raises:
        InputError: if they are required and do not run here.
    """
    if kernels == "torch":
        return False
    if kernels == "auto" and (device.type != "cuda" or dtype == torch.float32 or not _is_recent(device)):
        return False
    fault = _fault(device, dtype)
    if fault and kernels == "triton":
        raise InputError(f"--kernels triton: these do not run on {device}: {fault}; give --kernels torch or auto")
    if fault:
        print(f"warning: Triton's kernels do not run here, so predictions take longer: {fault}", file=sys.stderr)
    return not fault


def _is_recent(device: torch.device) -> bool:
    return importlib.util.find_spec("triton") is not None and (
        torch.cuda.get_device_capability(device) >= _MIN_CAPABILITY
    )


def _fault(device: torch.device, dtype: torch.dtype) -> str:
    """Error that keeps a kernel from running: no Triton, no compiler, an unknown GPU; empty if it runs."""
    try:
        from engine.kernels.epilogue import bias_relu_

        bias_relu_(torch.zeros(1, 16, 1, 1, dtype=dtype, device=device), torch.zeros(16, device=device))
    except Exception as error:  # Triton, its compiler and the driver raise errors of many types
        return (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return ""
