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
"""(1, groups * I, H, W) float32 in channels_last memory -> (1, O, H, W), likewise."""

_OPERATORS = "_reorder_convolution_weight", "_convolution_pointwise"


def packed(weight: torch.Tensor, bias: torch.Tensor, groups: int, size: tuple[int, int]) -> PackedConvolution:
    """A convolution of stride 1 without padding.

    Args:
        weight: (O, I, k, k) float32 on the CPU.
        bias: (O,).
        groups: into which the channels are parted.
        size: height and width of a typical image, for which the layout is chosen.
    """
    ones, none = [1, 1], [0, 0]
    if not all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        return partial(functional.conv2d, weight=weight, bias=bias, groups=groups)
    reorder, convolve = (getattr(torch.ops.mkldnn, name) for name in _OPERATORS)
    ready = reorder(weight, none, ones, ones, groups, [1, weight.shape[1] * groups, *size])
    more: tuple[Any, ...] = (ready, bias, none, ones, ones, groups, "none", [], "")
    return lambda image: convolve(image, *more)
