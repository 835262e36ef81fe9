"""The augmentations of `engine.data.transforms` for a whole batch, on the device that holds the images.

A crop is one matrix product per axis:

    rows (S, H)  @  image (H, W)  @  columns^T (W, S)  =  crop (S, S)

Row i of a matrix holds the weights of all pixels of the image in pixel i of the crop. These weights contain region,
scale, mirroring and antialiasing. Random parameters are drawn on the CPU, by the same code as for
`engine.data.transforms`, so a sample is the same function of its seed.
"""

import functools
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from engine.data.class_index import Pixel
from engine.data.color import GREY, ColorAdjustment
from engine.data.resampling import Axis, split_for_tf32
from engine.data.sampler import seeded
from engine.data.transforms import AUGMENTATIONS
from engine.errors import InputError

ParameterRow: TypeAlias = npt.NDArray[np.float32]
"""Random parameters of one sample, (21,) float32; `DeviceAugmentation.draw` lists the columns."""

_MAX_NUMBER = 2**24
"""Largest number up to which float32 represents every integer."""
_NO_COLORS = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)
"""Last 13 columns of a row whose colours are not changed and not blurred."""


class DeviceAugmentation:
    """Augmentation of resident images: parameters are drawn on the CPU per sample, and applied on the device per batch.

    Applying it has no data-dependent shapes, never synchronises with the host and uses no host memory, so it can be
    part of a CUDA graph.

    Args:
        name: name of one of `AUGMENTATIONS`.
        size: S, side of the crops in pixels.
        void: train id of the area outside the image.
    """

    columns = 21
    """Number of columns of a `ParameterRow`."""

    def __init__(self, name: str, size: int, void: int) -> None:
        self.size, self.void = size, void
        self.augmentation = AUGMENTATIONS[name](size, void)
        jitter = self.augmentation.color_jitter
        self._colored, self._blurred = jitter is not None, jitter is not None and jitter.blur_sigma is not None

    def draw(self, number: int, height: int, width: int, seed: int, pixel: Pixel | None = None) -> ParameterRow:
        """Draw the parameters of one crop; they are a function of the arguments alone.

        Args:
            number: index of the sample among the resident ones.
            height: height of the sample in pixels, without padding.
            width: width of the sample in pixels, without padding.
            seed: seed of the sample.
            pixel: row and column of a pixel that the crop must contain, None for any crop.

        Returns:
            (21,) float32: number, top, left, height and width of the region, the scale of rows and of columns, 1 if
            mirrored, the factor on the mean grey that is added, the (3, 3) colour matrix in row-major order, and the
            blur's weights at distance 0, 1 and 2.

        Raises:
            InputError: if float32 cannot represent the index.
        """
        if number > _MAX_NUMBER:
            raise InputError(
                f"sample {number}: at most {_MAX_NUMBER} samples can be kept on a device; give --data_on workers"
            )
        with seeded(seed):
            region, mirrored, colors = self.augmentation.draw(height, width, pixel)
        row = np.empty(self.columns, np.float32)
        row[:5] = number, *region
        row[5:7] = row[3:5] / np.float32(self.size)  # in float32, like the scale in torch's resizing of masks
        row[7] = mirrored
        row[8:] = _NO_COLORS if colors is None else _numbers(colors)
        return row

    def __call__(
        self, images: torch.Tensor, masks: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make the crops of a batch.

        Args:
            images: (M, 3, H, W) uint8; smaller images are padded with 0 on the right and at the bottom.
            masks: (M, H, W) uint8, padded with void.
            rows: (N, 21) float32 parameters on the same device.

        Returns:
            (N, 3, S, S) uint8 images and (N, S, S) uint8 masks.
        """
        with torch.autocast(rows.device.type, enabled=False):  # weights and levels need float32
            return self._crops(images, masks, rows)

    def _crops(
        self, images: torch.Tensor, masks: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        number, (top, left, down, across, row_scale, column_scale) = rows[:, 0].long(), rows[:, 1:7].unbind(1)
        mirrored = rows[:, 7, None] > 0
        positions = torch.arange(self.size, dtype=torch.float32, device=rows.device).expand(len(rows), -1)
        mirrored_positions = torch.where(mirrored, self.size - 1 - positions, positions)
        vertical = Axis(top, down, row_scale, positions)
        horizontal = Axis(left, across, column_scale, mirrored_positions)
        crops = _resize(images.index_select(0, number), vertical, horizontal)
        if self._colored:
            crops = _recolor(crops, gain=rows[:, 8], matrix=rows[:, 9:18].reshape(-1, 3, 3))
        if self._blurred:
            crops = _blur(crops.clamp_(0, 255), rows[:, 18:21])
        return crops.round_().clamp_(0, 255).to(torch.uint8), self._nearest(masks, number, vertical, horizontal)

    def _nearest(self, masks: torch.Tensor, number: torch.Tensor, vertical: Axis, horizontal: Axis) -> torch.Tensor:
        """Resample masks by the nearest pixel: (N, S, S) train ids, void outside the image."""
        (down, in_height), (across, in_width) = (
            axis.nearest(length) for axis, length in zip((vertical, horizontal), masks.shape[1:], strict=True)
        )
        ids = masks[number[:, None, None], down[:, :, None], across[:, None, :]]
        return torch.where(in_height[:, :, None] & in_width[:, None, :], ids, self.void)


def _numbers(colors: ColorAdjustment) -> list[float]:
    """Last 13 columns of a row: the factor on the mean grey, the matrix in row-major order, and the blur's weights."""
    return [colors.added_grey(), *colors.matrix().flatten().tolist(), *(colors.blur_weights() or (1.0, 0.0, 0.0))]


def _resize(images: torch.Tensor, vertical: Axis, horizontal: Axis) -> torch.Tensor:
    """Resize (N, 3, H, W) uint8 to (N, 3, S, S) float32, rounded to integers after each axis as in torch."""
    height, width = images.shape[2:]
    lines = images.float().flatten(1, 2)  # (N, 3 H, W)
    across = _levels(lines @ columns.mT for columns in split_for_tf32(horizontal.weights(width)))  # (N, 3 H, S)
    across = across.view(len(images), 3, height, -1)
    return _levels(rows[:, None] @ across for rows in split_for_tf32(vertical.weights(height)))


def _levels(terms: Iterable[torch.Tensor]) -> torch.Tensor:
    """Sum of terms, clamped to 0..255 and rounded to integers, halves up, as torch does when it resizes uint8."""
    return functools.reduce(torch.Tensor.add_, terms).add_(0.5).floor_().clamp_(0, 255)


def _recolor(images: torch.Tensor, *, gain: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Multiply the colours of (N, 3, S, S) images by (N, 3, 3), and add (N,) gain x the mean grey of each image."""
    red, green, blue = images.mean((2, 3)).unbind(1)
    added = gain * (GREY[0] * red + GREY[1] * green + GREY[2] * blue)
    colors, pixels = added[:, None, None].expand(-1, 3, 1), images.flatten(2)
    for part in split_for_tf32(matrix):
        colors = torch.baddbmm(colors, part, pixels)
    return colors.view_as(images)


def _blur(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Blur (N, 3, S, S) images with a separable filter of five pixels; images are mirrored at their borders.

    Row n of the (N, 3) weights holds those of the pixels at distance 0, 1 and 2 in image n.
    """
    padded = functional.pad(images, [2] * 4, mode="reflect")
    for axis in (2, 3):
        length = padded.shape[axis] - 4
        centre, near, far = weights[:, :, None, None, None].unbind(1)  # each (N, 1, 1, 1)
        total = padded.narrow(axis, 2, length) * centre
        for distance, weight in ((1, near), (2, far)):
            for begin in (2 - distance, 2 + distance):
                total.addcmul_(padded.narrow(axis, begin, length), weight)
        padded = total
    return padded
