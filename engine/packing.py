"""Products with matrices that are laid out for the processor once, not in each call.

torch multiplies float32 matrices on CPUs by MKL, which leaves half of the vector units of some processors idle; its
convolutions are oneDNN's, which use all, and one of 1 x 1 is a matrix product. Yet `conv2d` puts the weights in order
in every call, which for few rows takes longer than to multiply. torch.compile packs them by operators that are used
here; where a build of torch is without them, `conv2d` gives the same, later.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

Products = Callable[[torch.Tensor], torch.Tensor]
"""(n, groups * I) -> (n, groups * O)."""

_REORDER, _APPLY = "_reorder_convolution_weight", "_convolution_pointwise"
_NONE, _ONES = [0, 0], [1, 1]
"""Padding; stride and dilation."""


def packed(matrices: torch.Tensor, added: torch.Tensor, rows: int) -> Products:
    """What multiplies each group of columns by a matrix of its own, and adds a vector.

    Args:
        matrices: (groups, O, I) on the CPU.
        added: (groups, O).
        rows: n, for which the layout is chosen; others give the same, but some take much longer.
    """
    groups, _, columns = matrices.shape
    weight, bias = matrices.reshape(-1, columns, 1, 1), added.flatten()
    ready = _laid_out(weight, groups, [1, groups * columns, rows, 1])
    if ready is None:
        convolve: Products = partial(functional.conv2d, weight=weight, bias=bias, groups=groups)
    else:
        apply = getattr(torch.ops.mkldnn, _APPLY).default
        more: tuple[Any, ...] = (ready, bias, _NONE, _ONES, _ONES, groups, "none", [], "")
        convolve = lambda image: apply(image, *more)  # noqa: E731  # it has no keywords to bind

    def multiply(values: torch.Tensor) -> torch.Tensor:
        image = values.view(1, len(values), 1, -1).permute(0, 3, 1, 2)  # in channels_last memory
        return convolve(image).permute(0, 2, 3, 1).reshape(len(values), -1)

    return multiply


def _laid_out(weight: torch.Tensor, groups: int, size: list[int]) -> torch.Tensor | None:
    """Weights in oneDNN's order for images of a size; None if this torch or, in halves, this processor cannot."""
    if not all(hasattr(torch.ops.mkldnn, name) for name in (_REORDER, _APPLY)):
        return None
    try:
        ready: torch.Tensor = getattr(torch.ops.mkldnn, _REORDER).default(weight, _NONE, _ONES, _ONES, groups, size)
    except RuntimeError:
        return None
    return ready
