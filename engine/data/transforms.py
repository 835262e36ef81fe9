"""Augmentation of images and masks on the CPU; everything stays uint8."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from engine.data.class_index import Pixel
from engine.data.color import ColorAdjustment, ColorJitter
from engine.data.regions import AreaRegions, OneOf, PlainRegions, Region, Regions, ScaledRegions


class CropParameters(NamedTuple):
    """Random parameters of one crop."""

    region: Region
    """Region of the image that the crop shows."""
    mirrored: bool
    """Whether the crop is mirrored horizontally."""
    colors: ColorAdjustment | None
    """Color jitter and blur of the crop, None for none."""


class Augmentation(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Random square crop of an image and its mask, with optional mirroring, color jitter and blur.

    Only the crop is resampled: images bilinearly with antialiasing, masks by the nearest pixel. The area outside the
    image is black and void. If a key point is given with the image, the crop contains it. `draw` draws all random
    parameters and needs no pixels, so `engine.data.device_augmentation` makes the same crops on a GPU.

    Args:
        size: side of the crops in pixels.
        void: train id of the area outside the image.
        regions: draws the regions that become crops.
        mirror: mirror half of the crops.
        color_jitter: draws color jitter and blur, None for none.
    """

    def __init__(
        self, size: int, void: int, regions: Regions, *, mirror: bool = False, color_jitter: ColorJitter | None = None
    ) -> None:
        super().__init__()
        self.size, self.void, self.regions, self.mirror, self.color_jitter = size, void, regions, mirror, color_jitter

    def draw(self, height: int, width: int, pixel: Pixel | None = None) -> CropParameters:
        """Draw a crop with torch's default random generator; the crop contains the pixel, if one is given."""
        region = self.regions.draw(height, width, pixel)
        mirrored = self.mirror and torch.rand(1).item() < 0.5
        return CropParameters(region, mirrored, None if self.color_jitter is None else self.color_jitter.draw())

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the parameters of a crop of the inputs."""
        height, width = v2.query_size(flat_inputs)
        return {"crop": self.draw(height, width, _key_point(flat_inputs))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Crop an image, a mask or a key point."""
        parameters: CropParameters = params["crop"]
        crop = self._resized(self._cut(inpt, parameters.region))
        if parameters.mirrored:
            crop = functional.horizontal_flip(crop)
        if parameters.colors is not None and isinstance(inpt, tv_tensors.Image):
            crop = tv_tensors.wrap(parameters.colors.apply(crop.as_subclass(torch.Tensor)), like=crop)
        return crop

    def _cut(self, inpt: Any, region: Region) -> Any:
        """Cut out the region without resampling; only the part inside the image is read."""
        top, left, down, across = region
        height, width = functional.get_size(inpt)
        outside = [max(0, -left), max(0, -top), max(0, left + across - width), max(0, top + down - height)]
        cut = functional.crop(
            inpt,
            max(0, top),
            max(0, left),
            min(top + down, height) - max(0, top),
            min(left + across, width) - max(0, left),
        )
        if any(outside):
            cut = functional.pad(cut, outside, fill=self.void if isinstance(inpt, tv_tensors.Mask) else 0)
        return cut

    def _resized(self, cut: Any) -> Any:
        if functional.get_size(cut) == [self.size] * 2:
            return cut
        if isinstance(cut, tv_tensors.Image):
            return tv_tensors.wrap(functional.resize(_packed(cut), [self.size] * 2, antialias=True), like=cut)
        return functional.resize(cut, [self.size] * 2, functional.InterpolationMode.NEAREST)


def _packed(image: torch.Tensor) -> torch.Tensor:
    """Image (C, H, W) with the channels of a pixel contiguous in memory, which is resized in half the time."""
    return image.as_subclass(torch.Tensor).permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _key_point(flat_inputs: list[Any]) -> Pixel | None:
    """Row and column of the key point among the inputs of a transform, None if there is none."""
    for part in flat_inputs:
        if isinstance(part, tv_tensors.KeyPoints):
            column, row = part[0].tolist()
            return int(row), int(column)
    return None


def default_augmentation(size: int, void: int) -> Augmentation:
    """Crops at half to twice the scale, mirroring, and color jitter."""
    jitter = ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05)
    return Augmentation(size, void, ScaledRegions(size, (0.5, 2.0)), mirror=True, color_jitter=jitter)


def original_augmentation(size: int, void: int) -> Augmentation:
    """Augmentation of the original FCN8s repository: crops, mirroring, photometric distortion, blur.

    Distortion and blur have the ranges and probabilities of torchvision's `RandomPhotometricDistort` and
    `GaussianBlur`.
    """
    regions = OneOf((PlainRegions(size), AreaRegions()), (0.7, 0.3))
    jitter = ColorJitter(
        0.125, contrast=0.5, saturation=0.5, hue=0.05, probability=0.5, swap_probability=0.5, blur_sigma=(0.1, 2.0)
    )
    return Augmentation(size, void, regions, mirror=True, color_jitter=jitter)


def no_augmentation(size: int, void: int) -> Augmentation:
    """Crops alone; a smaller image has a random position in its crop, with void around it."""
    return Augmentation(size, void, PlainRegions(size))


AUGMENTATIONS: dict[str, Callable[[int, int], Augmentation]] = {
    "default": default_augmentation,
    "original": original_augmentation,
    "none": no_augmentation,
}
"""Augmentations by name; each is built from the side of the square crop in pixels and the void train id."""
