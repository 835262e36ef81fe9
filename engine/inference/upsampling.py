"""Predictions from coarse scores, without logits of the whole image.

The last layer of many networks is a transposed convolution whose kernel is twice its stride. Its logits are computed
for as many pixels at a time as stay in the cache, and turned into ids before the next are computed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn import functional

_LOGITS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 26}


@runtime_checkable
class CoarseNetwork(Protocol):
    """A network whose logits are the upsampling of coarse scores, cropped."""

    final_offset: int
    """Where the image begins in the upsampled scores, in both directions."""

    @property
    def upsampling(self) -> nn.ConvTranspose2d:
        """Of as many channels out as in, without bias; its kernel is twice its stride."""

    def coarse(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float -> (N, C, h, w) scores."""


class Merge(Protocol):
    """How the scores of a level come from its features and from the coarser level's scores."""

    @property
    def score(self) -> nn.Conv2d:
        """1 x 1, from features to scores."""

    @property
    def factor(self) -> float:
        """On the features, before they are scored."""

    @property
    def upsampling(self) -> nn.ConvTranspose2d | None:
        """By 2, with a kernel of 4 x 4, of the coarser scores, to which those of the features are added; None at first.

        Its padding is the same in both directions, it has no bias and as many channels out as in.
        """

    @property
    def offset(self) -> int:
        """Row and column of the features at which the upsampled scores begin."""


@runtime_checkable
class StepwiseNetwork(CoarseNetwork, Protocol):
    """A `CoarseNetwork` that shows its steps, so that kernels may take their place.

    Its `coarse` is: zeros around the image as `padding` says, then `stem`, then `coarse_of`. In other words: zeros,
    then `features`, then all `merges`.
    """

    @property
    def stem(self) -> nn.Sequential:
        """The first layers, which `features` runs first, on nothing but the padded image: convolutions that keep the
        size, poolings without overlap, and layers that look at one pixel.
        """

    def padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Zeros left, right, above and below a normalised image of that size."""

    def coarse_of(self, stem: torch.Tensor) -> torch.Tensor:
        """What the stem gives, (N, F, h, w) -> (N, C, h, w) coarse scores."""

    def features(self, padded: torch.Tensor) -> list[torch.Tensor]:
        """Of each level, from the coarsest on: (N, F, h, w), from the padded image."""

    @property
    def merges(self) -> Sequence[Merge]:
        """Of each level, from the coarsest on."""


Classify = Callable[[torch.Tensor], torch.Tensor]
"""(C, ...) logits -> (...) uint8."""


def classify_upsampled(
    network: CoarseNetwork, scores: torch.Tensor, size: tuple[int, int], classify: Classify
) -> torch.Tensor:
    """Predict an image from its coarse scores, by some rows of blocks at a time.

    A block is `stride` pixels high and wide. Its logits come from the 2 x 2 coarse scores whose kernels cover it, in
    rows as in columns:

        coarse score        b - 1       b
        kernel of b - 1       |-----------|-----------|
        kernel of b                       |-----------|-----------|
        block b                           |===========|
                                            stride

    So the logits of all blocks are one matrix product, of the corners (blocks, C * 2 * 2) with the weights
    (C * 2 * 2, C * stride * stride).

    Args:
        network: whose scores they are.
        scores: (1, C, h, w).
        size: H and W of the image.
        classify: from the logits of some pixels to their ids.

    Returns:
        (H, W) uint8.
    """
    layer, (height, width) = network.upsampling, size
    channels, stride = scores.shape[1], layer.stride[0]
    offset = network.final_offset + int(layer.padding[0])  # of the image in the upsampled scores, rows and columns
    top, bottom = offset // stride, (offset + height - 1) // stride
    left, right = offset // stride, (offset + width - 1) // stride
    across = right - left + 1
    padded = functional.pad(scores[0].permute(1, 2, 0), (0, 0, 1, 1, 1, 1))  # (h + 2, w + 2, C): block b is at b + 1
    weights = _weights(layer).to(scores)
    at_once = max(1, _LOGITS_AT_ONCE[scores.device.type] // (channels * stride**2 * across))
    ids = torch.empty((bottom - top + 1, stride, across, stride), dtype=torch.uint8, device=scores.device)
    for row in range(top, bottom + 1, at_once):
        rows = min(at_once, bottom + 1 - row)
        corners = [
            padded[1 + row - up : 1 + row - up + rows, 1 + left - back : 2 + right - back]
            for up in (0, 1)
            for back in (0, 1)
        ]
        logits = torch.stack(corners, -1).view(rows * across, -1) @ weights.T
        classified = classify(logits.view(rows * across, channels, -1).transpose(0, 1))
        ids[row - top : row - top + rows] = classified.view(rows, across, stride, stride).transpose(1, 2)
    first = offset - top * stride
    return ids.view(-1, across * stride)[first : first + height, first : first + width]


def max_gain(layer: nn.ConvTranspose2d) -> torch.Tensor:
    """How many times as large as the largest coarse score a logit can be at most, as a scalar on the layer's device."""
    return _weights(layer).abs().sum(1).amax()


def _weights(layer: nn.ConvTranspose2d) -> torch.Tensor:
    """(C * stride * stride, C * 2 * 2): from the coarse scores around a block to the logits in it."""
    stride = layer.stride[0]
    weight = layer.weight.detach()  # (in, out, 2 * stride, 2 * stride)
    channels = len(weight)
    parts = weight.view(channels, channels, 2, stride, 2, stride)  # in, out, up, row, back, column
    return parts.permute(1, 3, 5, 0, 2, 4).reshape(channels * stride**2, channels * 4)
