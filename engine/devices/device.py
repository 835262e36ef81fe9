"""Devices and precisions by name, waiting for a device, and torch.compile for it."""

import os
import shutil
import sys
from collections.abc import Callable
from typing import Annotated, Literal

import torch

from engine.errors import InputError

SHORT_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""The field's names -> Lightning Fabric's."""
Precision = Annotated[Literal["auto", "32-true", "bf16-mixed", "16-mixed"], SHORT_PRECISIONS]
"""Of the option; the short names may be given too."""


def choose(accelerator: str, precision: str) -> tuple[str, str]:
    """The kind of device, cpu or cuda, and the precision that are meant.

    On a GPU, auto is bf16-mixed where the card computes in bf16 itself, else 16-mixed: cards before NVIDIA's Ampere
    only emulate bf16, which is slower than float32. cuDNN's search for its fastest algorithms is left as it is, because
    it pays only where images of one size come often.

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
"""The type that products are computed in, by the name of a precision."""


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


Work = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
"""From an image on the device."""


def require_compiler() -> None:
    """Refuse what would fail minutes later.

    Raises:
        InputError: if there is no C++ compiler.
    """
    named = os.environ.get("CXX", "g++")
    if shutil.which(named) is None:
        raise InputError(
            f"--compile: needs a C++ compiler, and there is no {named}; install g++, or name yours in the variable CXX"
        )


def compiled(work: Work, device: torch.device) -> Work:
    """The same work with its kernels fused, and on a GPU replayed as one (CUDA graphs).

    It is compiled when it is first done, and again for other sizes of images.
    """
    if device.type != "cuda":
        return torch.compile(work)
    replayed = torch.compile(work, mode="reduce-overhead")

    def replay(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return tuple(result.clone() for result in replayed(image))  # as the next come to lie in the same places

    return replay
