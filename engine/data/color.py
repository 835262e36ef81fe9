"""Changes of colour and sharpness of uint8 images, in as few passes over the pixels as there can be."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

GREY = (0.299, 0.587, 0.114)
"""What red, green and blue count in the grey of a pixel."""
_YIQ = np.array([GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
"""RGB -> luma and the two axes of the colour plane (NTSC)."""
_LUMA, _CHROMA, _TURNED = (
    np.linalg.inv(_YIQ) @ np.array(part) @ _YIQ
    for part in (
        [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
    )
)
"""RGB -> RGB of the grey alone, of the colour alone, and of the colour turned by a right angle."""
_BAND = 64
"""Rows that are changed together: few enough for the processor's cache, which makes it nearly twice as fast."""


class ColorAdjustment(NamedTuple):
    """A change of the colours of an image.

    Brightness, contrast, saturation and hue are linear in RGB (the hue as a turn of the colour plane, as in YIQ), so
    together they are one matrix. Applying it takes a tenth of the time of one after the other.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    """About the mean of the image."""
    saturation: float = 1.0
    """About the grey of each pixel."""
    hue_angle: float = 0.0
    """Of the hue, in radians."""
    order: tuple[int, ...] = (0, 1, 2)
    """Of the colours."""
    blur_sigma: float | None = None
    """Width of a Gaussian blur over 5 x 5 pixels, None for none; at the border the image is mirrored."""

    def matrix(self) -> npt.NDArray[np.float32]:
        """The (3, 3) matrix that changes the colours of a pixel."""
        cosine, sine = self.saturation * math.cos(self.hue_angle), self.saturation * math.sin(self.hue_angle)
        colors = self.contrast * self.brightness * (_LUMA + cosine * _CHROMA + sine * _TURNED)
        matrix: npt.NDArray[np.float32] = colors[list(self.order)].astype(np.float32)
        return matrix

    def added_grey(self) -> float:
        """What the mean grey of the image counts in the number that is added to every value."""
        return self.brightness * (1 - self.contrast)

    def blur_weights(self) -> tuple[float, float, float] | None:
        """What pixels at distance 0, 1 and 2 count in a sum of five, None for no blur."""
        if self.blur_sigma is None:
            return None
        near, next_to_it, far = (math.exp(-0.5 * (place / self.blur_sigma) ** 2) for place in range(3))
        total = near + 2 * next_to_it + 2 * far
        return near / total, next_to_it / total, far / total

    def apply(self, image: torch.Tensor) -> torch.Tensor:
        """Change a (3, H, W) uint8 image."""
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
    """Draws changes of colour, all of which are made at once, and then a blur."""

    brightness: float
    """The factor is drawn from 1 - brightness to 1 + brightness."""
    contrast: float
    """Likewise."""
    saturation: float
    """Likewise."""
    hue: float
    """Turns are drawn from -hue to hue, as fractions of the full circle."""
    probability: float = 1.0
    """That each of the four is changed at all."""
    swap_probability: float = 0.0
    """Chance that red, green and blue are put into a random order."""
    blur_sigma: tuple[float, float] | None = None
    """Lowest and highest width of the blur, None for none."""

    def draw(self) -> ColorAdjustment:
        """Draw a change from torch's default generator."""
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
    """Sums of five neighbours along an axis, which loses two at each end, weighed by their distance 0, 1, 2."""
    length = pixels.shape[axis] - 4
    total = pixels.narrow(axis, 2, length) * weights[0]
    for distance, weight in enumerate(weights[1:], 1):
        for begin in (2 - distance, 2 + distance):
            total.add_(pixels.narrow(axis, begin, length), alpha=weight)
    return total
