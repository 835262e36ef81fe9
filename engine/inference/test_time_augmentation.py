"""Several views of an image, averaged: better predictions for more time."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.nn import functional

from engine.arrays import Size
from engine.errors import InputError
from engine.inference.segmenter import Segmenter

_SIDES = range(32, 16385)
"""Pixels that a resized image may be high or wide."""


@dataclass(frozen=True)
class Views:
    """How an image is looked at."""

    scales: tuple[float, ...] = (1.0,)
    """Factors on its height and width."""
    flip: bool = False
    """Also its mirror image."""
    window: int = 0
    """Side of the square windows it is seen through, which overlap by a third; 0 for the whole image at once."""
    resize: tuple[int, int] | None = None
    """Height and width that it is resized to, as the one view; None for its own."""

    def __post_init__(self) -> None:
        faults = []
        if self.resize and not all(side in _SIDES for side in self.resize):
            faults.append(f"--resize {_told(self.resize)}: expected sides of 32 to {_SIDES[-1]} pixels")
        if self.resize and (self.scales != (1.0,) or self.flip or self.window):
            faults.append(
                f"--resize {_told(self.resize)}: shows the network one view of the image, "
                "so leave out --scales, --flip and --window"
            )
        if not self.scales or not all(0.1 <= scale <= 8 for scale in self.scales):
            told = ",".join(f"{scale:g}" for scale in self.scales)
            faults.append(f"--scales {told}: expected one or more factors between 0.1 and 8, as 0.75,1,1.25")
        if self.window and self.window < 32:
            faults.append(f"--window {self.window}: expected at least 32 pixels, or 0 for the whole image")
        if faults:
            raise InputError(*faults)

    @classmethod
    def parse(cls, scales: str, flip: bool, window: int, resize: tuple[int, int] | None = None) -> "Views":
        """From the values of flags.

        Raises:
            InputError: if they make no sense.
        """
        try:
            return cls(tuple(float(scale) for scale in scales.split(",")), flip, window, resize)
        except ValueError as error:
            raise InputError(f"--scales {scales}: expected numbers with commas between, as 0.75,1,1.25") from error

    def describe(self) -> dict[str, Any]:
        """The views as JSON content."""
        return {**asdict(self), "scales": list(self.scales), "resize": self.resize and _told(self.resize)}

    def are_one(self, height: int, width: int) -> bool:
        """Whether an image of that size is seen once, as it is."""
        if self.resize is not None:
            return self.resize == (height, width)
        whole = self.window == 0 or self.window >= max(height, width)
        return self.scales == (1.0,) and not self.flip and whole


class Averaged:
    """A `Segmenter` that averages the class probabilities of several views, on the device.

    Probabilities rather than logits, as logits have no common scale: one view that is very sure would outvote all
    others, and how large logits get depends on the size of what the network sees.

    Args:
        forward: predicts one view.
        views: to average.
    """

    def __init__(self, forward: Segmenter, views: Views) -> None:
        self.device, self.precision = forward.device, forward.precision
        self._forward, self._views = forward, views

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        if self._views.are_one(*image.shape[-2:]):
            return self._forward(image)
        return self.classify(self.logits(image)[0])

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits; of several views the log probabilities, whose softmax they are."""
        if self._views.resize is not None:
            logits = self._forward.logits(_resized(image, self._views.resize))
            return functional.interpolate(logits.float(), image.shape[-2:], mode="bilinear", align_corners=False)
        return self.probabilities(image).log()

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        """As `Segmenter.classify`."""
        return self._forward.classify(logits)

    def require_range(self) -> None:
        """As `Segmenter.require_range`."""
        self._forward.require_range()

    @property
    def bounds_memory(self) -> bool:
        """As `Segmenter.bounds_memory`."""
        return self._forward.bounds_memory

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """As `Segmenter.prepare`, for all views of an image of that size."""
        if self._views.are_one(*size):
            self._forward.prepare(size, logits=logits)
            return
        if self._views.resize is not None:
            self._forward.prepare(Size(*self._views.resize), logits=True)
            return
        for scale in self._views.scales:
            height, width = _sides(size, scale)
            side = self._views.window or max(height, width)
            self._forward.prepare(Size(min(height, side), min(width, side)), logits=True)

    @torch.inference_mode()
    def probabilities(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) float32 means over all views, which add up to 1 over the classes."""
        size = image.shape[-2:]
        total: torch.Tensor | None = None
        views = 0
        for scale in self._views.scales:
            scaled = _resized(image, _sides(size, scale))
            for flip in (False, True) if self._views.flip else (False,):
                seen = self._windowed(scaled.flip(-1) if flip else scaled)
                seen = seen.flip(-1) if flip else seen
                if seen.shape[-2:] != size:
                    seen = functional.interpolate(seen, size, mode="bilinear", align_corners=False)
                total = seen if total is None else total.add_(seen)
                views += 1
        if total is None:  # pragma: no cover  # there is at least one scale
            raise ValueError("no views")
        return total.div_(views)

    def _windowed(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities of one view: of the whole image, or averaged where windows overlap."""
        height, width = image.shape[-2:]
        side = self._views.window
        if side == 0 or side >= max(height, width):
            return self._forward.logits(image).float().softmax(1)
        total: torch.Tensor | None = None
        count = torch.zeros(1, 1, height, width, device=image.device)
        for top in starts(height, side):
            for left in starts(width, side):
                part = (..., slice(top, top + side), slice(left, left + side))
                window = image[part].contiguous(memory_format=torch.channels_last)
                seen = self._forward.logits(window).float().softmax(1)
                if total is None:
                    total = seen.new_zeros(1, seen.shape[1], height, width)
                total[part] += seen
                count[part] += 1
        if total is None:  # pragma: no cover  # there is at least one window
            raise ValueError("no windows")
        return total.div_(count)


def starts(length: int, side: int) -> Sequence[int]:
    """Where windows begin along an axis: a third of a window or more overlaps, and the last ends with the image."""
    return list(_starts(length, side))


def _starts(length: int, side: int) -> Iterator[int]:
    last = max(0, length - side)
    steps = -(-last // max(1, 2 * side // 3))  # none if one window reaches
    yield from (round(last * step / steps) for step in range(steps))
    yield last


def _told(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _resized(image: torch.Tensor, sides: Sequence[int]) -> torch.Tensor:
    """A (1, 3, H, W) uint8 image at another height and width, rounded to uint8 as a file of it would be.

    Bilinear with antialiasing, as by Pillow: where a side shrinks, the mean over all pixels that fall into one.
    """
    if tuple(sides) == tuple(image.shape[-2:]):
        return image
    shrinks = any(side < before for side, before in zip(sides, image.shape[-2:], strict=True))
    resized = functional.interpolate(
        image.float(), list(sides), mode="bilinear", align_corners=False, antialias=shrinks
    )
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def _sides(size: Sequence[int], scale: float) -> list[int]:
    """Height and width at another scale."""
    return [max(1, round(side * scale)) for side in size]
