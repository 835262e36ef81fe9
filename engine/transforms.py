"""What happens to an image and its mask between file and batch; all of it keeps uint8."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""RGB -> luma and the two axes of the colour plane (NTSC)."""
_GREY = _YIQ[0]


class Normalize(nn.Module):
    """Turns images of 0 to 255 into what a network was trained on: (image / 255 - mean) / std, per channel."""

    def __init__(self, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 -> float32."""
        return image.to(torch.float32, copy=True).sub_(self.mean).div_(self.std)


class ScaledCrop(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """A square crop of the image after scaling it by a random factor; what lies outside becomes void.

    Only the crop is resampled: images bilinearly, masks by the nearest pixel.
    """

    def __init__(self, size: int, scale: tuple[float, float], void: int) -> None:
        super().__init__()
        self.size, self.scale, self.void = size, scale, void

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the region: its side, and where it lies, as far inside the image as it fits."""
        height, width = v2.query_size(flat_inputs)
        low, high = self.scale
        factor = low * (high / low) ** torch.rand(()).item()
        side = max(1, round(self.size / factor))
        return {"top": _offset(height, side), "left": _offset(width, side), "height": side, "width": side}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Cut the region out and bring it to the size of the crop."""
        top, left, side = params["top"], params["left"], params["height"]
        height, width = functional.get_size(inpt)
        outside = [max(0, -left), max(0, -top), max(0, left + side - width), max(0, top + side - height)]
        is_mask = isinstance(inpt, tv_tensors.Mask)
        region = functional.crop(inpt, max(0, top), max(0, left), min(side, height), min(side, width))
        if any(outside):
            region = functional.pad(region, outside, fill=self.void if is_mask else 0)
        nearest = functional.InterpolationMode.NEAREST
        bilinear = functional.InterpolationMode.BILINEAR
        return functional.resize(region, [self.size, self.size], nearest if is_mask else bilinear, antialias=True)


def _offset(length: int, side: int) -> int:
    """Where a region of `side` begins along an axis of `length` pixels: at random, centred if it is longer."""
    room = length - side
    return -(-room // 2) if room < 0 else int(torch.randint(room + 1, ()).item())


class ColorShift(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Brightness, contrast, saturation and hue changed at once, by one 3 x 4 matrix.

    Each of the four is linear in RGB (the hue as a turn of the colour plane, as in YIQ), so together they are
    one matrix, and applying it takes a tenth of the time of one after the other.

    Args:
        brightness: the factor is drawn from 1 - brightness to 1 + brightness.
        contrast: likewise, about the mean of the image.
        saturation: likewise, about the grey of each pixel.
        hue: turns are drawn from -hue to hue, as fractions of the full circle.
    """

    def __init__(self, brightness: float, contrast: float, saturation: float, hue: float) -> None:
        super().__init__()
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the four changes."""
        draw = (2 * torch.rand(4) - 1).tolist()
        return {
            "brightness": 1 + self.brightness * draw[0],
            "contrast": 1 + self.contrast * draw[1],
            "saturation": 1 + self.saturation * draw[2],
            "turn": 2 * math.pi * self.hue * draw[3],
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change the colours of a (3, H, W) uint8 image; masks stay as they are."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        matrix = params["contrast"] * params["brightness"] * self._colors(params["saturation"], params["turn"])
        pixels = inpt.flatten(1).float()  # (3, H * W)
        mean = (_GREY @ pixels.mean(1)) * params["brightness"] * (1 - params["contrast"])
        shifted = torch.addmm(mean.expand(3, 1), matrix, pixels).round_().clamp_(0, 255)
        return tv_tensors.wrap(shifted.to(torch.uint8).view(inpt.shape), like=inpt)

    @staticmethod
    def _colors(saturation: float, turn: float) -> torch.Tensor:
        """The (3, 3) matrix that keeps each pixel's grey, scales its colour and turns its hue."""
        cosine, sine = saturation * math.cos(turn), saturation * math.sin(turn)
        rotation = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
        matrix: torch.Tensor = torch.linalg.inv(_YIQ) @ rotation @ _YIQ
        return matrix


def default_augmentation(size: int, void: int) -> v2.Transform:
    """Crops at half to twice the scale, mirroring, and colours that vary as with light and camera."""
    return v2.Compose(
        [
            ScaledCrop(size, (0.5, 2.0), void),
            v2.RandomHorizontalFlip(),
            ColorShift(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05),
        ]
    )


def ancestor_augmentation(size: int, void: int) -> v2.Transform:
    """What the project this one outgrows trained with: crops, mirroring, photometric distortion, blur."""
    fill: dict[Any, int] = {tv_tensors.Image: 0, tv_tensors.Mask: void}
    crop = v2.RandomCrop(size, pad_if_needed=True, fill=fill)
    resized = v2.RandomResizedCrop(size, antialias=True)
    return v2.Compose(
        [
            v2.RandomChoice([crop, resized], p=[0.7, 0.3]),
            v2.RandomHorizontalFlip(),
            v2.RandomPhotometricDistort(),
            v2.GaussianBlur(kernel_size=5, sigma=(0.1, 2.0)),
        ]
    )


def no_augmentation(size: int, void: int) -> v2.Transform:
    """Crops and nothing else; a smaller image lies somewhere in its crop, with void around it."""
    fill: dict[Any, int] = {tv_tensors.Image: 0, tv_tensors.Mask: void}
    return v2.RandomCrop(size, pad_if_needed=True, fill=fill)


AUGMENTATIONS: dict[str, Callable[[int, int], v2.Transform]] = {
    "default": default_augmentation,
    "ancestor": ancestor_augmentation,
    "none": no_augmentation,
}
"""Augmentation of training samples by name, built from the side of the square crop and the void train id."""
