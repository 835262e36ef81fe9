"""Convolutions with weights that are laid out for the processor once, not in each call.

torch multiplies float32 matrices on CPUs by MKL, which leaves half of the vector units of some processors idle; its
convolutions are oneDNN's, which use all. Yet `conv2d` puts the weights in order in every call, which for few pixels
takes longer than the convolution. torch.compile packs them by operators that are used here; where a build of torch is
without them, `conv2d` gives the same, later.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

PackedConvolution = Callable[[torch.Tensor], torch.Tensor]
"""(1, groups * I, n, 1) float32 in channels_last memory -> (1, O, n, 1), likewise."""

_OPERATORS = "_reorder_convolution_weight", "_convolution_pointwise"


def packed(weight: torch.Tensor, bias: torch.Tensor, groups: int, pixels: int) -> PackedConvolution:
    """A convolution of 1 x 1, which is a matrix product in each group.

    Args:
        weight: (O, I, 1, 1) float32 on the CPU.
        bias: (O,).
        groups: into which the channels are parted.
        pixels: n, for which the layout is chosen; others give the same, but some take much longer.
    """
    ones, none = [1, 1], [0, 0]
    if not all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        return partial(functional.conv2d, weight=weight, bias=bias, groups=groups)
    reorder, convolve = (getattr(torch.ops.mkldnn, name).default for name in _OPERATORS)
    ready = reorder(weight, none, ones, ones, groups, [1, weight.shape[1] * groups, pixels, 1])
    more: tuple[Any, ...] = (ready, bias, none, ones, ones, groups, "none", [], "")
    return lambda image: convolve(image, *more)
