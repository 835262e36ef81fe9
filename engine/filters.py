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
"""Rows that are changed together: few enough for the processor's cache, which makes it nearly twice as fast."""


class ColorShift(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Brightness, contrast, saturation and hue changed at once, and colours swapped, by one 3 x 4 matrix; then a blur.

    Each of them is linear in RGB (the hue as a turn of the colour plane, as in YIQ), so together they are
    one matrix, and applying it takes a tenth of the time of one after the other.

    Args:
        brightness: the factor is drawn from 1 - brightness to 1 + brightness.
        contrast: likewise, about the mean of the image.
        saturation: likewise, about the grey of each pixel.
        hue: turns are drawn from -hue to hue, as fractions of the full circle.
        chance: that each of the four is changed at all.
        swap: chance that red, green and blue are put into a random order.
        blur: lowest and highest width of a Gaussian blur over 5 x 5 pixels, None for none; at the border the image
            is mirrored.
    """

    def __init__(
        self,
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        chance: float = 1.0,
        swap: float = 0.0,
        blur: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        self.chance, self.swap, self.blur = chance, swap, blur

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
            "sigma": None if self.blur is None else torch.empty(()).uniform_(*self.blur).item(),
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change a (3, H, W) uint8 image; masks stay as they are."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        image = inpt.as_subclass(torch.Tensor)  # or every step would ask whether it is an image
        colors = params["contrast"] * params["brightness"] * self._colors(params["saturation"], params["turn"])
        matrix, added = colors[params["order"]], torch.zeros(())
        if params["contrast"] != 1:
            added = (_GREY @ _floats(image).mean(1)) * params["brightness"] * (1 - params["contrast"])
        weights = None if params["sigma"] is None else _gaussian(params["sigma"])
        edge = 0 if weights is None else 2
        padded = functional.pad(image[None], [edge] * 4, mode="reflect")[0] if edge else image
        changed = torch.empty(image.shape, dtype=torch.uint8)
        for top in range(0, image.shape[1], _BAND):
            rows = padded[:, top : top + _BAND + 2 * edge]
            band = torch.addmm(added.expand(3, 1), matrix, _floats(rows)).view(rows.shape)
            if weights is not None:
                band = _weighted(_weighted(band.clamp_(0, 255), 1, weights), 2, weights)
            changed[:, top : top + _BAND] = band.round_().clamp_(0, 255)
        return tv_tensors.wrap(changed, like=inpt)

    @staticmethod
    def _colors(saturation: float, turn: float) -> torch.Tensor:
        """The (3, 3) matrix that keeps each pixel's grey, scales its colour and turns its hue."""
        cosine, sine = saturation * math.cos(turn), saturation * math.sin(turn)
        rotation = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
        matrix: torch.Tensor = torch.linalg.inv(_YIQ) @ rotation @ _YIQ
        return matrix


def _floats(pixels: torch.Tensor) -> torch.Tensor:
    """(3, H, W) uint8 -> (3, H * W) float32."""
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).flatten(1)


def _gaussian(sigma: float) -> list[float]:
    """What pixels at distance 0, 1 and 2 count in a sum of five."""
    weights = [math.exp(-0.5 * (place / sigma) ** 2) for place in range(3)]
    total = weights[0] + 2 * weights[1] + 2 * weights[2]
    return [weight / total for weight in weights]


def _weighted(pixels: torch.Tensor, axis: int, weights: list[float]) -> torch.Tensor:
    """Sums of five neighbours along an axis, which loses two at each end, weighed by their distance 0, 1, 2."""
    length = pixels.shape[axis] - 4
    total = pixels.narrow(axis, 2, length) * weights[0]
    for distance, weight in enumerate(weights[1:], 1):
        for begin in (2 - distance, 2 + distance):
            total.add_(pixels.narrow(axis, begin, length), alpha=weight)
    return total
