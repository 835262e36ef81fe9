"""Changes of colour and sharpness of uint8 images, in as few passes over the pixels as there can be."""

import math
from typing import Any

import torch
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms import v2

_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""RGB -> luma and the two axes of the colour plane (NTSC)."""
_GREY = _YIQ[0]
_BAND = 64
"""Rows that are blurred together: few enough for the processor's cache, which makes it twice as fast."""


class ColorShift(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Brightness, contrast, saturation and hue changed at once, and colours swapped, by one 3 x 4 matrix.

    Each of them is linear in RGB (the hue as a turn of the colour plane, as in YIQ), so together they are
    one matrix, and applying it takes a tenth of the time of one after the other.

    Args:
        brightness: the factor is drawn from 1 - brightness to 1 + brightness.
        contrast: likewise, about the mean of the image.
        saturation: likewise, about the grey of each pixel.
        hue: turns are drawn from -hue to hue, as fractions of the full circle.
        chance: that each of the four is changed at all.
        swap: chance that red, green and blue are put into a random order.
    """

    def __init__(
        self,
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        chance: float = 1.0,
        swap: float = 0.0,
    ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        self.chance, self.swap = chance, swap

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the changes."""
        draw = 2 * torch.rand(4) - 1
        if self.chance < 1:
            draw *= torch.rand(4) < self.chance
        swapped = self.swap > 0 and torch.rand(()).item() < self.swap
        brightness, contrast, saturation, hue = draw.tolist()
        return {
            "brightness": 1 + self.brightness * brightness,
            "contrast": 1 + self.contrast * contrast,
            "saturation": 1 + self.saturation * saturation,
            "turn": 2 * math.pi * self.hue * hue,
            "order": torch.randperm(3).tolist() if swapped else [0, 1, 2],
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change the colours of a (3, H, W) uint8 image; masks stay as they are."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        matrix = params["contrast"] * params["brightness"] * self._colors(params["saturation"], params["turn"])
        pixels = inpt.to(torch.float32, memory_format=torch.contiguous_format).flatten(1)  # (3, H * W)
        mean = (_GREY @ pixels.mean(1)) * params["brightness"] * (1 - params["contrast"])
        shifted = torch.addmm(mean.expand(3, 1), matrix[params["order"]], pixels).round_().clamp_(0, 255)
        return tv_tensors.wrap(shifted.to(torch.uint8).view(inpt.shape), like=inpt)

    @staticmethod
    def _colors(saturation: float, turn: float) -> torch.Tensor:
        """The (3, 3) matrix that keeps each pixel's grey, scales its colour and turns its hue."""
        cosine, sine = saturation * math.cos(turn), saturation * math.sin(turn)
        rotation = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
        matrix: torch.Tensor = torch.linalg.inv(_YIQ) @ rotation @ _YIQ
        return matrix


class Blur(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """A Gaussian blur over 5 x 5 pixels; at the border the image is mirrored.

    Args:
        sigma: lowest and highest width, in pixels.
    """

    def __init__(self, sigma: tuple[float, float]) -> None:
        super().__init__()
        self.sigma = sigma

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the width."""
        low, high = self.sigma
        return {"sigma": low + (high - low) * torch.rand(()).item()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Blur a (3, H, W) uint8 image; masks stay as they are."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        weights = [math.exp(-0.5 * (place / params["sigma"]) ** 2) for place in range(3)]
        total = weights[0] + 2 * weights[1] + 2 * weights[2]
        padded = functional.pad(inpt[None], (2, 2, 2, 2), mode="reflect")[0]
        blurred = torch.empty(inpt.shape, dtype=torch.uint8)
        for top in range(0, inpt.shape[1], _BAND):
            band = padded[:, top : top + _BAND + 4].float()
            for axis in (1, 2):
                band = _weighted(band, axis, [weight / total for weight in weights])
            blurred[:, top : top + _BAND] = band.round_()
        return tv_tensors.wrap(blurred, like=inpt)


def _weighted(pixels: torch.Tensor, axis: int, weights: list[float]) -> torch.Tensor:
    """Sums of five neighbours along an axis, which loses two at each end, weighed by their distance 0, 1, 2."""
    length = pixels.shape[axis] - 4
    total = pixels.narrow(axis, 2, length) * weights[0]
    for distance, weight in enumerate(weights[1:], 1):
        for begin in (2 - distance, 2 + distance):
            total.add_(pixels.narrow(axis, begin, length), alpha=weight)
    return total
