"""The receptive field of a network: how far away pixels decide a logit, found by trying."""

from collections.abc import Callable
from typing import NamedTuple

import torch

ALIGNMENT = 64
"""Pixels: where an image is cut at multiples of it, what is left lies on the network's grid as before.

Networks halve an image five times, some six.
"""
_THICKNESS = 64
_LENGTHS = (12 * ALIGNMENT, 24 * ALIGNMENT, 48 * ALIGNMENT, 96 * ALIGNMENT)  # so their middles are multiples of it
_FALLBACK = 6 * ALIGNMENT

ComputeLogits = Callable[[torch.Tensor], torch.Tensor]
"""(1, 3, H, W) float, normalised -> (1, C, H, W) logits."""


class ReceptiveField(NamedTuple):
    """What a piece of an image needs around it."""

    margin: int
    """Pixels on each side; a multiple of `ALIGNMENT`."""
    exact: bool
    """Whether with that margin the logits of a piece are those it has in the whole image, rounding aside."""


def find(scores: ComputeLogits, device: torch.device) -> ReceptiveField:
    """Find the receptive field of a network by what becomes of NaN.

    Whatever is computed from NaN is NaN, so with NaN on one side of a line the logits on the other side show how far
    the network looks across it. Networks that look at all of an image at once, as those with attention or global
    pooling do, have no such distance, and of those that stop NaN it cannot be found.
    """
    for length in _LENGTHS:
        distances = [_distance(scores, length, upright, device) for upright in (False, True)]
        if None not in distances:
            margin = -(-max(filter(None, distances), default=0) // ALIGNMENT) * ALIGNMENT
            exact = all(_is_shift_equivariant(scores, margin, upright, device) for upright in (False, True))
            return ReceptiveField(margin, exact)
    return ReceptiveField(_FALLBACK, exact=False)


def _distance(scores: ComputeLogits, length: int, upright: bool, device: torch.device) -> int | None:
    """How many pixels across a line in the middle of a strip matter; None if that cannot be told."""
    middle = length // 2
    distances = []
    for unknown in (slice(middle, None), slice(None, middle)):
        strip = torch.zeros(1, 3, _THICKNESS, length, device=device)
        strip[..., unknown] = torch.nan
        touched = _run_strip(scores, strip, upright).isnan().any(1)[0].any(0).nonzero()
        if not len(touched):  # the network puts numbers in the place of NaN
            return None
        first, last = int(touched.min()), int(touched.max())
        if first == 0 and last == length - 1:
            return None
        distances.append(middle - first if last == length - 1 else last + 1 - middle)
    return max(0, *distances)


def _is_shift_equivariant(scores: ComputeLogits, margin: int, upright: bool, device: torch.device) -> bool:
    """Whether an image from which as much as the alignment is cut off has the same logits beyond the margin."""
    random = torch.Generator().manual_seed(0)
    strip = torch.randn(1, 3, _THICKNESS, ALIGNMENT + margin + _THICKNESS, generator=random).to(device)
    whole = _run_strip(scores, strip, upright)[..., ALIGNMENT + margin :]
    piece = _run_strip(scores, strip[..., ALIGNMENT:], upright)[..., margin:]
    return bool((whole - piece).abs().max() <= 0.02 * whole.abs().max())


def _run_strip(scores: ComputeLogits, strip: torch.Tensor, upright: bool) -> torch.Tensor:
    """The logits of a strip that lies, or of one that stands, laid down again."""
    return scores(strip.mT.contiguous()).mT if upright else scores(strip)
