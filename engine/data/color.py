"""Color jitter and Gaussian blur of uint8 images, in few passes over the pixels."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey value of a pixel."""
_YIQ = np.array([GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
"""Matrix from RGB to YIQ: luma and the two axes of the colour plane (NTSC)."""
_LUMA, _CHROMA, _ROTATED = (
    np.linalg.inv(_YIQ) @ np.array(part) @ _YIQ
    for part in (
        [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
    )
)
"""Matrices from RGB to RGB: the grey alone, the colour alone, and the colour rotated by 90 degrees."""
_BAND = 64
"""Rows that are processed together; they fit into the CPU cache, which makes it nearly twice as fast."""


class ColorAdjustment(NamedTuple):
    """Change of brightness, contrast, saturation, hue and channel order, and a blur.

    Brightness, contrast, saturation and hue are linear in RGB (the hue is a rotation of the colour plane in YIQ), so
    they are combined into one matrix. Applying it takes a tenth of the time of four separate passes.
    """

    brightness: float = 1.0
    """Factor on all values; 1 leaves them unchanged."""
    contrast: float = 1.0
    """Factor on the distance of each value from the mean grey of the image; 1 leaves it unchanged."""
    saturation: float = 1.0
    """Factor on the distance of each value from the grey of its pixel; 1 leaves it unchanged."""
    hue_angle: float = 0.0
    """Rotation of the hue, in radians."""
    order: tuple[int, ...] = (0, 1, 2)
    """Order of the channels; (0, 1, 2) leaves it unchanged."""
    blur_sigma: float | None = None
    """Standard deviation of a Gaussian blur over 5 x 5 pixels, None for no blur; borders are mirrored."""

    def matrix(self) -> npt.NDArray[np.float32]:
        """Matrix (3, 3) that is applied to the RGB values of each pixel."""
        cosine, sine = self.saturation * math.cos(self.hue_angle), self.saturation * math.sin(self.hue_angle)
        colors = self.contrast * self.brightness * (_LUMA + cosine * _CHROMA + sine * _ROTATED)
        matrix: npt.NDArray[np.float32] = colors[list(self.order)].astype(np.float32)
        return matrix

    def added_grey(self) -> float:
        """Factor on the mean grey of the image; the product is added to every value."""
        return self.brightness * (1 - self.contrast)

    def blur_weights(self) -> tuple[float, float, float] | None:
        """Weights of the pixels at distance 0, 1 and 2 in the blur, None for no blur."""
        if self.blur_sigma is None:
            return None
        center, near, far = (math.exp(-0.5 * (distance / self.blur_sigma) ** 2) for distance in range(3))
        total = center + 2 * near + 2 * far
        return center / total, near / total, far / total

    def apply(self, image: torch.Tensor) -> torch.Tensor:
        """Apply the change to a (3, H, W) uint8 image."""
        matrix, added, weights = torch.from_numpy(self.matrix()), torch.zeros(()), self.blur_weights()
        if self.contrast != 1:
            added = (torch.tensor(GREY) @ _floats(image).mean(1)) * self.added_grey()
        edge = 0 if weights is None else 2
        padded = functional.pad(image[None], [edge] * 4, mode="reflect")[0] if edge else image
        changed = torch.empty(image.shape, dtype=torch.uint8)
        for top in range(0, image.shape[1], _BAND):
            rows = padded[:, top : top + _BAND + 2 * edge]
            band = torch.addmm(added.expand(3, 1), matrix, _floats(rows)).view(rows.shape)
            if weights is not None:
                band = _weighted(_weighted(band.clamp_(0, 255), 1, weights), 2, weights)
            changed[:, top : top + _BAND] = band.round_().clamp_(0, 255)
        return changed


@dataclass(frozen=True)
class ColorJitter:
    """Draws random color jitter and blur."""

    brightness: float
    """Range of the brightness factor: 1 - brightness to 1 + brightness."""
    contrast: float
    """Range of the contrast factor: 1 - contrast to 1 + contrast."""
    saturation: float
    """Range of the saturation factor: 1 - saturation to 1 + saturation."""
    hue: float
    """Range of the hue rotation: -hue to hue, as fractions of a full circle."""
    probability: float = 1.0
    """Probability that each of the four is changed, independently of the others."""
    swap_probability: float = 0.0
    """Probability that the channels are put into a random order."""
    blur_sigma: tuple[float, float] | None = None
    """Lowest and highest standard deviation of the blur in pixels, None for no blur."""

    def draw(self) -> ColorAdjustment:
        """Draw a change with torch's default random generator."""
        draw = [2 * number - 1 for number in torch.rand(4).tolist()]
        if self.probability < 1:
            draw = [
                number if random < self.probability else 0.0
                for number, random in zip(draw, torch.rand(4).tolist(), strict=True)
            ]
        swapped = self.swap_probability > 0 and torch.rand(()).item() < self.swap_probability
        brightness, contrast, saturation, hue = draw
        return ColorAdjustment(
            brightness=1 + self.brightness * brightness,
            contrast=1 + self.contrast * contrast,
            saturation=1 + self.saturation * saturation,
            hue_angle=2 * math.pi * self.hue * hue,
            order=tuple(torch.randperm(3).tolist()) if swapped else (0, 1, 2),
            blur_sigma=None if self.blur_sigma is None else torch.empty(()).uniform_(*self.blur_sigma).item(),
        )


def _floats(pixels: torch.Tensor) -> torch.Tensor:
    """(3, H, W) uint8 -> (3, H * W) float32."""
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).flatten(1)


def _weighted(pixels: torch.Tensor, axis: int, weights: tuple[float, ...]) -> torch.Tensor:
    """Weighted sums of five neighbours along an axis, which gets four shorter; weights are by distance 0, 1, 2."""
    length = pixels.shape[axis] - 4
    total = pixels.narrow(axis, 2, length) * weights[0]
    for distance, weight in enumerate(weights[1:], 1):
        for begin in (2 - distance, 2 + distance):
            total.add_(pixels.narrow(axis, begin, length), alpha=weight)
    return total
