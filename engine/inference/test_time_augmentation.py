"""Test-time augmentation and sliding-window prediction: probabilities averaged over several inputs of one image."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.nn import functional

from engine.arrays import Size
from engine.errors import InputError
from engine.inference.segmenter import Segmenter

_SIDES = range(32, 16385)
"""Allowed height and width of a resized image, in pixels."""


@dataclass(frozen=True)
class TtaOptions:
    """Options of test-time augmentation (TTA), of sliding windows, and of the fixed size of testing."""

    scales: tuple[float, ...] = (1.0,)
    """Scale factors on the image's height and width; probabilities are averaged over all of them."""
    flip: bool = False
    """Whether the mirror image of each scale is predicted and averaged too."""
    window: int = 0
    """Side of the square sliding windows in pixels, which overlap by a third; 0 predicts the whole image at once."""
    resize: tuple[int, int] | None = None
    """Height and width that the image is resized to before prediction; None keeps its size."""

    def __post_init__(self) -> None:
        faults = []
        if self.resize and not all(side in _SIDES for side in self.resize):
            faults.append(f"--resize {_format_size(self.resize)}: expected sides of 32 to {_SIDES[-1]} pixels")
        if self.resize and (self.scales != (1.0,) or self.flip or self.window):
            faults.append(
                f"--resize {_format_size(self.resize)}: predicts each image once, at a fixed size; "
                "leave out --scales, --flip and --window"
            )
        if not self.scales or not all(0.1 <= scale <= 8 for scale in self.scales):
            given = ",".join(f"{scale:g}" for scale in self.scales)
            faults.append(f"--scales {given}: expected one or more factors from 0.1 to 8, for example 0.75,1,1.25")
        if self.window and self.window < 32:
            faults.append(f"--window {self.window}: expected at least 32 pixels, or 0 for the whole image")
        if faults:
            raise InputError(*faults)

    @classmethod
    def parse(cls, scales: str, flip: bool, window: int, resize: tuple[int, int] | None = None) -> "TtaOptions":
        """Make the options from the values of command-line flags.

        Raises:
            InputError: if a value is out of range, or if values exclude each other.
        """
        try:
            return cls(tuple(float(scale) for scale in scales.split(",")), flip, window, resize)
        except ValueError as error:
            raise InputError(
                f"--scales {scales}: expected numbers separated by commas, for example 0.75,1,1.25"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """The options as JSON content."""
        return {**asdict(self), "scales": list(self.scales), "resize": self.resize and _format_size(self.resize)}

    def is_identity(self, height: int, width: int) -> bool:
        """Whether an image of that size is predicted once and unchanged."""
        if self.resize is not None:
            return self.resize == (height, width)
        whole = self.window == 0 or self.window >= max(height, width)
        return self.scales == (1.0,) and not self.flip and whole


class TtaSegmenter:
    """A `Segmenter` with test-time augmentation: it averages class probabilities over scales, flips and windows.

    It averages probabilities instead of logits. Logits have no common scale: their magnitude depends on the size of
    the network's input, so one very confident prediction would outvote all others. The sums stay on the device.

    Args:
        forward: predicts one scaled, flipped or cropped image.
        tta: scales, flip and windows to average over, or the fixed size to resize to.
    """

    def __init__(self, forward: Segmenter, tta: TtaOptions) -> None:
        self.device, self.precision = forward.device, forward.precision
        self._forward, self._tta = forward, tta

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (H, W) uint8 ids or confidences, all on the device."""
        if self._tta.is_identity(*image.shape[-2:]):
            return self._forward(image)
        return self.classify(self.logits(image)[0])

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) logits; log probabilities unless the image is resized to a fixed size."""
        if self._tta.resize is not None:
            logits = self._forward.logits(_resized(image, self._tta.resize))
            return functional.interpolate(logits.float(), image.shape[-2:], mode="bilinear", align_corners=False)
        return self.probabilities(image).log()

    def classify(self, logits: torch.Tensor) -> torch.Tensor:
        """Implement `Segmenter.classify`."""
        return self._forward.classify(logits)

    def require_finite(self) -> None:
        """Implement `Segmenter.require_finite`."""
        self._forward.require_finite()

    @property
    def bounds_memory(self) -> bool:
        """Whether `prepare` should be called, see `Segmenter.bounds_memory`."""
        return self._forward.bounds_memory

    def prepare(self, size: Size, *, logits: bool = False) -> None:
        """Implement `Segmenter.prepare`, for all scales and windows of an image of that size."""
        if self._tta.is_identity(*size):
            self._forward.prepare(size, logits=logits)
            return
        if self._tta.resize is not None:
            self._forward.prepare(Size(*self._tta.resize), logits=True)
            return
        for scale in self._tta.scales:
            height, width = _scaled(size, scale)
            side = self._tta.window or max(height, width)
            self._forward.prepare(Size(min(height, side), min(width, side)), logits=True)

    @torch.inference_mode()
    def probabilities(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) uint8 -> (1, C, H, W) float32 mean probabilities, which add up to 1 over the classes."""
        size = image.shape[-2:]
        total: torch.Tensor | None = None
        count = 0
        for scale in self._tta.scales:
            scaled = _resized(image, _scaled(size, scale))
            for flip in (False, True) if self._tta.flip else (False,):
                one = self._sliding_window(scaled.flip(-1) if flip else scaled)
                one = one.flip(-1) if flip else one
                if one.shape[-2:] != size:
                    one = functional.interpolate(one, size, mode="bilinear", align_corners=False)
                total = one if total is None else total.add_(one)
                count += 1
        if total is None:  # pragma: no cover  # there is at least one scale
            raise ValueError("no scales")
        return total.div_(count)

    def _sliding_window(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities of one scale: of the whole image, or averaged where the sliding windows overlap."""
        height, width = image.shape[-2:]
        side = self._tta.window
        if side == 0 or side >= max(height, width):
            return self._forward.logits(image).float().softmax(1)
        total: torch.Tensor | None = None
        count = torch.zeros(1, 1, height, width, device=image.device)
        for top in window_starts(height, side):
            for left in window_starts(width, side):
                part = (..., slice(top, top + side), slice(left, left + side))
                window = image[part].contiguous(memory_format=torch.channels_last)
                one = self._forward.logits(window).float().softmax(1)
                if total is None:
                    total = one.new_zeros(1, one.shape[1], height, width)
                total[part] += one
                count[part] += 1
        if total is None:  # pragma: no cover  # there is at least one window
            raise ValueError("no windows")
        return total.div_(count)


def window_starts(length: int, side: int) -> Sequence[int]:
    """First pixels of the sliding windows along an axis; a third of a window or more overlaps with the next one."""
    return list(_window_starts(length, side))


def _window_starts(length: int, side: int) -> Iterator[int]:
    last = max(0, length - side)  # the last window ends with the image
    steps = -(-last // max(1, 2 * side // 3))  # 0 if one window covers the axis
    yield from (round(last * step / steps) for step in range(steps))
    yield last


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _resized(image: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resize a (1, 3, H, W) uint8 image, and round to uint8 as in an image file.

    Bilinear with antialiasing, like Pillow: where a side shrinks, each new pixel averages all pixels that it covers.
    """
    if tuple(size) == tuple(image.shape[-2:]):
        return image
    shrinks = any(side < before for side, before in zip(size, image.shape[-2:], strict=True))
    resized = functional.interpolate(image.float(), list(size), mode="bilinear", align_corners=False, antialias=shrinks)
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def _scaled(size: Sequence[int], scale: float) -> list[int]:
    """Height and width multiplied by a scale factor, in whole pixels."""
    return [max(1, round(side * scale)) for side in size]
