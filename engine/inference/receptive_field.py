"""Receptive field of a network: the distance up to which pixels affect a logit, measured with NaN."""

from collections.abc import Callable
from typing import NamedTuple

import torch

ALIGNMENT = 64
"""Pixels: a cut at a multiple of it keeps the grid of a network's poolings.

Networks halve an image five or six times, and 2^6 is 64.
"""
_THICKNESS = 64
_LENGTHS = (12 * ALIGNMENT, 24 * ALIGNMENT, 48 * ALIGNMENT, 96 * ALIGNMENT)  # the middles are multiples of it too
_FALLBACK = 6 * ALIGNMENT

ComputeLogits = Callable[[torch.Tensor], torch.Tensor]
"""A network: (1, 3, H, W) float, normalised -> (1, C, H, W) logits."""


class ReceptiveField(NamedTuple):
    """Margin of context that a tile needs around it."""

    margin: int
    """Width of the margin on each side, in pixels; a multiple of `ALIGNMENT`."""
    exact: bool
    """Whether that margin gives the logits of the whole image, except for rounding."""


def find(logits_of: ComputeLogits, device: torch.device) -> ReceptiveField:
    """Measure the receptive field of a network by propagating NaN.

        strip    | 0   0   0   0   0   0 | NaN NaN NaN NaN |
        logits   | 0   0   0   0 NaN NaN | NaN NaN NaN NaN |
                                 <----->  distance

    Everything computed from NaN is NaN. So with NaN on one side of a line, the logits that are NaN on the other side
    show the receptive field. It is not exact for networks that depend on the whole image (attention, global pooling),
    and for networks that replace NaN by numbers.
    """
    for length in _LENGTHS:
        distances = [_distance(logits_of, length, upright, device) for upright in (False, True)]
        if None not in distances:
            margin = -(-max(filter(None, distances), default=0) // ALIGNMENT) * ALIGNMENT
            exact = all(_is_shift_equivariant(logits_of, margin, upright, device) for upright in (False, True))
            return ReceptiveField(margin, exact)
    return ReceptiveField(_FALLBACK, exact=False)


def _distance(logits_of: ComputeLogits, length: int, upright: bool, device: torch.device) -> int | None:
    """Pixels up to which NaN crosses a line in the middle of a strip; None if it crosses all or is replaced."""
    middle = length // 2
    distances = []
    for unknown in (slice(middle, None), slice(None, middle)):
        strip = torch.zeros(1, 3, _THICKNESS, length, device=device)
        strip[..., unknown] = torch.nan
        touched = _run_strip(logits_of, strip, upright).isnan().any(1)[0].any(0).nonzero()
        if not len(touched):  # the network replaces NaN by numbers
            return None
        first, last = int(touched.min()), int(touched.max())
        if first == 0 and last == length - 1:
            return None
        distances.append(middle - first if last == length - 1 else last + 1 - middle)
    return max(0, *distances)


def _is_shift_equivariant(logits_of: ComputeLogits, margin: int, upright: bool, device: torch.device) -> bool:
    """Whether logits beyond the margin stay the same when `ALIGNMENT` pixels are cut off the image."""
    random = torch.Generator().manual_seed(0)
    strip = torch.randn(1, 3, _THICKNESS, ALIGNMENT + margin + _THICKNESS, generator=random).to(device)
    whole = _run_strip(logits_of, strip, upright)[..., ALIGNMENT + margin :]
    cut = _run_strip(logits_of, strip[..., ALIGNMENT:], upright)[..., margin:]
    return bool((whole - cut).abs().max() <= 0.02 * whole.abs().max())


def _run_strip(logits_of: ComputeLogits, strip: torch.Tensor, upright: bool) -> torch.Tensor:
    """Logits of a horizontal strip, or of the same strip run upright and turned back."""
    return logits_of(strip.mT.contiguous()).mT if upright else logits_of(strip)
