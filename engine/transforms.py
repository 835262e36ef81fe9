"""What happens to an image and its mask between file and batch; all of it keeps uint8."""

from collections.abc import Callable
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from engine.filters import ColorShift


class ScaledCrop(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """A square crop of the image after scaling it by a random factor; what lies outside becomes void.

    Only the crop is resampled: images bilinearly, masks by the nearest pixel. Where a key point comes with the
    image, as with all crops here, the crop shows it.
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
        row, column = _spot(flat_inputs)
        return {
            "top": _offset(height, side, row),
            "left": _offset(width, side, column),
            "height": side,
            "width": side,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Cut the region out and bring it to the size of the crop."""
        top, left, side = params["top"], params["left"], params["height"]
        height, width = functional.get_size(inpt)
        outside = [max(0, -left), max(0, -top), max(0, left + side - width), max(0, top + side - height)]
        is_mask = isinstance(inpt, tv_tensors.Mask)
        region = functional.crop(inpt, max(0, top), max(0, left), min(side, height), min(side, width))
        if any(outside):
            region = functional.pad(region, outside, fill=self.void if is_mask else 0)
        if isinstance(inpt, tv_tensors.Image):
            return tv_tensors.wrap(functional.resize(_packed(region), [self.size] * 2, antialias=True), like=inpt)
        return functional.resize(region, [self.size] * 2, functional.InterpolationMode.NEAREST)


def _packed(image: torch.Tensor) -> torch.Tensor:
    """The (C, H, W) image with the colours of a pixel side by side in memory; so it is resized in half the time."""
    return image.as_subclass(torch.Tensor).permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _spot(flat_inputs: list[Any]) -> tuple[int, int] | tuple[None, None]:
    """Row and column of the key point among the inputs of a transform, None where there is none."""
    for part in flat_inputs:
        if isinstance(part, tv_tensors.KeyPoints):
            column, row = part[0].tolist()
            return row, column
    return None, None


def _offset(length: int, side: int, spot: int | None) -> int:
    """Where a region of `side` begins along an axis of `length` pixels: at random, centred if it is longer.

    If there is a spot, the region lies over it.
    """
    room = length - side
    if room < 0:
        return -(-room // 2)
    low, high = (0, room) if spot is None else (max(0, spot - side + 1), min(spot, room))
    return low + int(torch.randint(high - low + 1, ()).item())


def _over_spot(params: dict[str, Any], flat_inputs: list[Any]) -> dict[str, Any]:
    """The region that one of torchvision's crops has drawn, moved over the key point if there is one."""
    for (start, side), length, spot in zip(
        (("top", "height"), ("left", "width")), v2.query_size(flat_inputs), _spot(flat_inputs), strict=True
    ):
        if spot is not None and params[side] <= length:
            params[start] = _offset(length, params[side], spot)
    return params


class SpotCrop(v2.RandomCrop):  # type: ignore[misc]  # torchvision has no types
    """A random crop, over the key point if there is one."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the region."""
        return _over_spot(super().make_params(flat_inputs), flat_inputs)


class SpotResizedCrop(v2.RandomResizedCrop):  # type: ignore[misc]  # torchvision has no types
    """A crop of random area and shape that is then resized, over the key point if there is one."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the region."""
        return _over_spot(super().make_params(flat_inputs), flat_inputs)


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
    """What the project this one outgrows trained with: crops, mirroring, photometric distortion, blur.

    Ranges and chances of distortion and blur are those of torchvision's `RandomPhotometricDistort` and `GaussianBlur`.
    """
    fill: dict[Any, int] = {tv_tensors.Image: 0, tv_tensors.Mask: void}
    crop = SpotCrop(size, pad_if_needed=True, fill=fill)
    resized = SpotResizedCrop(size, antialias=True)
    return v2.Compose(
        [
            v2.RandomChoice([crop, resized], p=[0.7, 0.3]),
            v2.RandomHorizontalFlip(),
            ColorShift(0.125, contrast=0.5, saturation=0.5, hue=0.05, chance=0.5, swap=0.5, blur=(0.1, 2.0)),
        ]
    )


def no_augmentation(size: int, void: int) -> v2.Transform:
    """Crops and nothing else; a smaller image lies somewhere in its crop, with void around it."""
    fill: dict[Any, int] = {tv_tensors.Image: 0, tv_tensors.Mask: void}
    return SpotCrop(size, pad_if_needed=True, fill=fill)


AUGMENTATIONS: dict[str, Callable[[int, int], v2.Transform]] = {
    "default": default_augmentation,
    "ancestor": ancestor_augmentation,
    "none": no_augmentation,
}
"""Augmentation of training samples by name, built from the side of the square crop and the void train id."""
