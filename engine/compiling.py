"""Steps on an image whose kernels torch.compile fuses."""

import os
import shutil
from collections.abc import Callable

import torch

from engine.faults import InputError

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
