"""What happens to an image and its mask between file and batch; all of it keeps uint8."""

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
    """All that is random about one crop."""

    region: Region
    mirrored: bool
    colors: ColorAdjustment | None


class Augmentation(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """A square crop of an image and its mask, perhaps mirrored, in changed colours.

    Only the crop is resampled: images bilinearly with antialiasing, masks by the nearest pixel. What lies outside the
    image is black and void. Where a key point comes with the image, the crop shows it. All draws come from
    `draw`, which needs no pixels, so `engine.data.device_augmentation` makes the same crops on a GPU.

    Args:
        size: side of the crops.
        void: the train id of what lies outside.
        regions: draws what a crop shows.
        mirror: mirror half of the crops.
        color_jitter: draws changes of colour, None for none.
    """

    def __init__(
        self, size: int, void: int, regions: Regions, *, mirror: bool = False, color_jitter: ColorJitter | None = None
    ) -> None:
        super().__init__()
        self.size, self.void, self.regions, self.mirror, self.color_jitter = size, void, regions, mirror, color_jitter

    def draw(self, height: int, width: int, pixel: Pixel | None = None) -> CropParameters:
        """Draw a crop of an image of that size from torch's default generator; over the pixel, if there is one."""
        region = self.regions.draw(height, width, pixel)
        mirrored = self.mirror and torch.rand(1).item() < 0.5
        return CropParameters(region, mirrored, None if self.color_jitter is None else self.color_jitter.draw())

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw a crop of the inputs."""
        height, width = v2.query_size(flat_inputs)
        return {"crop": self.draw(height, width, _key_point(flat_inputs))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Make the crop of an image, a mask or a key point."""
        parameters: CropParameters = params["crop"]
        crop = self._resized(self._cut(inpt, parameters.region))
        if parameters.mirrored:
            crop = functional.horizontal_flip(crop)
        if parameters.colors is not None and isinstance(inpt, tv_tensors.Image):
            crop = tv_tensors.wrap(parameters.colors.apply(crop.as_subclass(torch.Tensor)), like=crop)
        return crop

    def _cut(self, inpt: Any, region: Region) -> Any:
        """The region at its own scale; only what lies inside the image is read."""
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
    """The (C, H, W) image with the colours of a pixel side by side in memory; so it is resized in half the time."""
    return image.as_subclass(torch.Tensor).permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _key_point(flat_inputs: list[Any]) -> Pixel | None:
    """Row and column of the key point among the inputs of a transform, None where there is none."""
    for part in flat_inputs:
        if isinstance(part, tv_tensors.KeyPoints):
            column, row = part[0].tolist()
            return int(row), int(column)
    return None


def default_augmentation(size: int, void: int) -> Augmentation:
    """Crops at half to twice the scale, mirroring, and colours that vary as with light and camera."""
    jitter = ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05)
    return Augmentation(size, void, ScaledRegions(size, (0.5, 2.0)), mirror=True, color_jitter=jitter)


def original_augmentation(size: int, void: int) -> Augmentation:
    """Augmentation of the original FCN8s repository: crops, mirroring, photometric distortion, blur.

    Ranges and chances of distortion and blur are those of torchvision's `RandomPhotometricDistort` and `GaussianBlur`.
    """
    regions = OneOf((PlainRegions(size), AreaRegions()), (0.7, 0.3))
    jitter = ColorJitter(
        0.125, contrast=0.5, saturation=0.5, hue=0.05, probability=0.5, swap_probability=0.5, blur_sigma=(0.1, 2.0)
    )
    return Augmentation(size, void, regions, mirror=True, color_jitter=jitter)


def no_augmentation(size: int, void: int) -> Augmentation:
    """Crops and nothing else; a smaller image lies somewhere in its crop, with void around it."""
    return Augmentation(size, void, PlainRegions(size))


AUGMENTATIONS: dict[str, Callable[[int, int], Augmentation]] = {
    "default": default_augmentation,
    "original": original_augmentation,
    "none": no_augmentation,
}
"""Augmentation of training samples by name, built from the side of the square crop and the void train id."""
