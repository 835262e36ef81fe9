"""The augmentations of `engine.data.transforms` for a whole batch, on the device that holds the images.

A crop is one product of matrices per axis:

    rows (S, H)  @  image (H, W)  @  columns^T (W, S)  =  crop (S, S)

where a row of a matrix holds what each pixel of the image counts in one pixel of the crop. Regions and scale, mirroring
and antialiasing are all in these weights. What is drawn is drawn on a CPU, by the same code as for
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
"""What was drawn for one sample; see `DeviceAugmentation.draw`."""

_MAX_NUMBER = 2**24
"""Up to here float32 holds every whole number."""
_NO_COLORS = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)
"""The end of a row where colours stay as they are."""


class DeviceAugmentation:
    """An augmentation of resident images: drawn on a CPU sample by sample, applied on the device batch by batch.

    Applying it has no data-dependent shapes, never makes the host wait, and touches no memory of the host, so it may
    be part of a CUDA graph.

    Args:
        name: of one of `AUGMENTATIONS`.
        size: S, side of the crops.
        void: the train id of what lies outside the image.
    """

    columns = 21
    """Length of a drawn row."""

    def __init__(self, name: str, size: int, void: int) -> None:
        self.size, self.void = size, void
        self.augmentation = AUGMENTATIONS[name](size, void)
        jitter = self.augmentation.color_jitter
        self._colored, self._blurred = jitter is not None, jitter is not None and jitter.blur_sigma is not None

    def draw(self, number: int, height: int, width: int, seed: int, pixel: Pixel | None = None) -> ParameterRow:
        """Draw the crop of one sample; it follows from the arguments alone.

        Args:
            number: of the sample among the resident ones.
            height: of the sample, without padding.
            width: likewise.
            seed: of the sample.
            pixel: row and column of a pixel that the crop must show, None for any crop.

        Returns:
            (21,) float32: number, top, left, height and width of the region, the scale of rows and of columns, 1 if
            mirrored, the share of the mean grey that is added, the (3, 3) colour matrix row by row, and the blur's
            weights at distance 0, 1 and 2.

        Raises:
            InputError: if float32 cannot hold the number.
        """
        if number > _MAX_NUMBER:
            raise InputError(
                f"sample {number}: at most {_MAX_NUMBER} samples can be kept on a device; leave out --data_on device"
            )
        with seeded(seed):
            region, mirrored, colors = self.augmentation.draw(height, width, pixel)
        row = np.empty(self.columns, np.float32)
        row[:5] = number, *region
        row[5:7] = row[3:5] / np.float32(self.size)  # in float32, as torch divides where it resizes masks
        row[7] = mirrored
        row[8:] = _NO_COLORS if colors is None else _numbers(colors)
        return row

    def __call__(
        self, images: torch.Tensor, masks: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make the crops of a batch.

        Args:
            images: (M, 3, H, W) uint8, smaller ones padded with 0 on the right and below.
            masks: (M, H, W) uint8, padded with void.
            rows: (N, 21) float32 on the same device, as drawn.

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
        """(N, S, S) train ids of the nearest pixels, void outside the image."""
        (down, in_height), (across, in_width) = (
            axis.nearest(length) for axis, length in zip((vertical, horizontal), masks.shape[1:], strict=True)
        )
        ids = masks[number[:, None, None], down[:, :, None], across[:, None, :]]
        return torch.where(in_height[:, :, None] & in_width[:, None, :], ids, self.void)


def _numbers(colors: ColorAdjustment) -> list[float]:
    """The end of a row: the share of the mean grey, the matrix row by row, and the blur's weights."""
    return [colors.added_grey(), *colors.matrix().flatten().tolist(), *(colors.blur_weights() or (1.0, 0.0, 0.0))]


def _resize(images: torch.Tensor, vertical: Axis, horizontal: Axis) -> torch.Tensor:
    """(N, 3, H, W) uint8 -> (N, 3, S, S) float32 in whole levels; as in torch, they are so after the first axis too."""
    height, width = images.shape[2:]
    lines = images.float().flatten(1, 2)  # (N, 3 H, W)
    across = _levels(lines @ columns.mT for columns in split_for_tf32(horizontal.weights(width)))  # (N, 3 H, S)
    across = across.view(len(images), 3, height, -1)
    return _levels(rows[:, None] @ across for rows in split_for_tf32(vertical.weights(height)))


def _levels(terms: Iterable[torch.Tensor]) -> torch.Tensor:
    """The sum of terms in whole levels, halves rounded up as torch does where it resizes uint8."""
    return functools.reduce(torch.Tensor.add_, terms).add_(0.5).floor_().clamp_(0, 255)


def _recolor(images: torch.Tensor, *, gain: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Multiply the colours of (N, 3, S, S) images by (N, 3, 3), and add the (N,) share of each image's mean grey."""
    red, green, blue = images.mean((2, 3)).unbind(1)
    added = gain * (GREY[0] * red + GREY[1] * green + GREY[2] * blue)
    colors, pixels = added[:, None, None].expand(-1, 3, 1), images.flatten(2)
    for part in split_for_tf32(matrix):
        colors = torch.baddbmm(colors, part, pixels)
    return colors.view_as(images)


def _blur(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Blur (N, 3, S, S) images by sums of five neighbours along both axes; beyond its borders an image is mirrored.

    Row n of the (N, 3) weights is what neighbours at distance 0, 1 and 2 count in image n.
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
