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

_OPERATORS = "_reorder_convolution_weight", "_convolution_pointwise"


def packed(matrices: torch.Tensor, added: torch.Tensor, rows: int) -> Products:
    """What multiplies each group of columns by a matrix of its own, and adds a vector.

    Args:
        matrices: (groups, O, I) on the CPU.
        added: (groups, O).
        rows: n, for which the layout is chosen; others give the same, but some take much longer.
    """
    groups, _, columns = matrices.shape
    weight, bias = matrices.reshape(-1, columns, 1, 1), added.flatten()
    if all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        reorder, apply = (getattr(torch.ops.mkldnn, name).default for name in _OPERATORS)
        ones, none = [1, 1], [0, 0]
        ready = reorder(weight, none, ones, ones, groups, [1, groups * columns, rows, 1])
        more: tuple[Any, ...] = (ready, bias, none, ones, ones, groups, "none", [], "")
        convolve: Products = lambda image: apply(image, *more)  # noqa: E731  # it has no keywords to bind
    else:
        convolve = partial(functional.conv2d, weight=weight, bias=bias, groups=groups)

    def multiply(values: torch.Tensor) -> torch.Tensor:
        image = values.view(1, len(values), 1, -1).permute(0, 3, 1, 2)  # in channels_last memory
        return convolve(image).permute(0, 2, 3, 1).reshape(len(values), -1)

    return multiply
