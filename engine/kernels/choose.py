"""Whether Triton's kernels run here."""

import importlib.util
import sys
from typing import Literal

import torch

from engine.errors import InputError

Kernels = Literal["auto", "triton", "torch"]
"""Which kernels a prediction runs: auto is Triton's on GPUs on which they run, else torch's."""


_LEAST_CAPABILITY = (8, 0)
"""Of a GPU: on older ones Triton does not use tensor cores."""


def choose_kernels(asked: Kernels, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether to run Triton's.

    Raises:
        InputError: if they are asked for and do not run here.
    """
    if asked == "torch":
        return False
    if asked == "auto" and (device.type != "cuda" or dtype == torch.float32 or not _is_recent(device)):
        return False
    fault = _fault(device, dtype)
    if fault and asked == "triton":
        raise InputError(f"--kernels triton: they do not run on {device}: {fault}; give --kernels torch or auto")
    if fault:
        print(f"warning: Triton's kernels do not run here, so predictions take longer: {fault}", file=sys.stderr)
    return not fault


def _is_recent(device: torch.device) -> bool:
    return importlib.util.find_spec("triton") is not None and (
        torch.cuda.get_device_capability(device) >= _LEAST_CAPABILITY
    )


def _fault(device: torch.device, dtype: torch.dtype) -> str:
    """What keeps a kernel from running: no Triton, no compiler, a GPU that it does not know; nothing if it runs."""
    try:
        from engine.kernels.epilogue import bias_relu_

        bias_relu_(torch.zeros(1, 16, 1, 1, dtype=dtype, device=device), torch.zeros(16, device=device))
    except Exception as error:  # of Triton's, of the compiler that it calls, of the driver
        return (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return ""
