"""Devices and precisions by name, waiting for a device, and torch.compile for it."""

import os
import shutil
import sys
from collections.abc import Callable
from typing import Annotated, Literal

import torch

from engine.errors import InputError

SHORT_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""Common short name of a precision -> its name in Lightning Fabric."""
Precision = Annotated[Literal["auto", "32-true", "bf16-mixed", "16-mixed"], SHORT_PRECISIONS]
"""Type of the option `--precision`, which accepts short names too."""


def choose(accelerator: str, precision: str) -> tuple[str, str]:
    """Choose the type of device, cpu or cuda, and the precision.

    On a GPU, auto is bf16-mixed if the card supports bf16 in hardware, otherwise 16-mixed: cards before NVIDIA's Ampere
    only emulate bf16, which is slower than float32. `torch.backends.cudnn.benchmark` is not changed, because the search
    for the fastest algorithms pays off only if images of one size are frequent.

    Raises:
        InputError: if there is no such device.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise InputError("--accelerator gpu: no CUDA device found; check nvidia-smi, or give --accelerator cpu")
    if accelerator == "cpu" or not torch.cuda.is_available():
        if precision == "16-mixed":
            print("warning: --precision 16-mixed: no fp16 on CPUs here, so this runs in bf16-mixed", file=sys.stderr)
            precision = "bf16-mixed"
        return "cpu", "32-true" if precision == "auto" else precision
    torch.set_float32_matmul_precision("high")
    if precision == "auto":
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "cuda", precision


DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Name of a precision -> the type in which products are computed."""


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


Work = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
"""A function of an image on the device."""


def require_compiler() -> None:
    """Refuse `--compile` without a C++ compiler now, because it would fail minutes later.

    Raises:
        InputError: if there is no C++ compiler.
    """
    named = os.environ.get("CXX", "g++")
    if shutil.which(named) is None:
        raise InputError(
            f"--compile: needs a C++ compiler, and {named} was not found; install g++, or set the variable CXX to yours"
        )


def compiled(work: Work, device: torch.device) -> Work:
    """The work compiled by torch.compile: with fused kernels, and on a GPU replayed as CUDA graphs.

    It is compiled on its first call, and again for each other image size.
    """
    if device.type != "cuda":
        return torch.compile(work)
    replayed = torch.compile(work, mode="reduce-overhead")

    def replay(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return tuple(result.clone() for result in replayed(image))  # the next replay overwrites the buffers

    return replay
