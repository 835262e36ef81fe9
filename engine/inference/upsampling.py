"""Upsampling and classification of coarse scores, without logits of the whole image.

The last layer of many networks is a transposed convolution whose kernel is twice its stride. Its logits are computed
for as many pixels at a time as fit in the cache, and turned into ids before the next ones are computed.
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
    """Row and column at which the image begins in the upsampled scores."""

    @property
    def upsampling(self) -> nn.ConvTranspose2d:
        """Last layer: as many output as input channels, no bias, a kernel of twice the stride."""

    def coarse(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) float -> (N, C, h, w) scores."""


class Merge(Protocol):
    """Skip fusion of one level: its scores are computed from its features and the coarser level's scores."""

    @property
    def score(self) -> nn.Conv2d:
        """1 x 1 convolution from features to scores."""

    @property
    def factor(self) -> float:
        """Factor on the features before they are scored."""

    @property
    def upsampling(self) -> nn.ConvTranspose2d | None:
        """Upsampling of the coarser scores by 2, before the features' scores are added; None for the coarsest level.

        Its kernel is 4 x 4, its padding the same in both directions. It has no bias, and as many output as input
        channels.
        """

    @property
    def offset(self) -> int:
        """Row and column of the features at which the upsampled scores begin."""


@runtime_checkable
class StepwiseNetwork(CoarseNetwork, Protocol):
    """A `CoarseNetwork` that exposes its steps, so that kernels can replace them.

    Its `coarse` pads the image by zeros according to `padding`, then runs `stem`, then `coarse_of`. That equals
    padding, then `features`, then all `merges`.
    """

    @property
    def stem(self) -> nn.Sequential:
        """First layers, which `features` runs on the padded image: convolutions that keep the size, poolings without
        overlap, and layers whose results depend on one pixel each.
        """

    def padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Padding of a normalised image of that size by zeros: left, right, above and below, in pixels."""

    def coarse_of(self, stem: torch.Tensor) -> torch.Tensor:
        """Result of the stem, (N, F, h, w) -> (N, C, h, w) coarse scores."""

    def features(self, padded: torch.Tensor) -> list[torch.Tensor]:
        """Features of each level, (N, F, h, w), the coarsest first, of a padded image."""

    @property
    def merges(self) -> Sequence[Merge]:
        """Skip fusion of each level, the coarsest first."""


Classify = Callable[[torch.Tensor], torch.Tensor]
"""Classification: (C, ...) logits -> (...) uint8."""


def classify_upsampled(
    network: CoarseNetwork, scores: torch.Tensor, size: tuple[int, int], classify: Classify
) -> torch.Tensor:
    """Predict an image from its coarse scores, a few rows of blocks at a time.

    A block is `stride` pixels high and wide. Its logits depend on the 2 x 2 coarse scores whose kernels cover it. Along
    each axis:

        coarse score        b - 1       b
        kernel of b - 1       |-----------|-----------|
        kernel of b                       |-----------|-----------|
        block b                           |===========|
                                            stride

    So the logits of all blocks are one matrix product: the 2 x 2 scores (blocks, C * 2 * 2) by the weights
    (C * 2 * 2, C * stride * stride).

    Args:
        network: the network that computed the scores.
        scores: (1, C, h, w) coarse scores.
        size: height H and width W of the image.
        classify: (C, ...) logits of some pixels -> (...) ids.

    Returns:
        (H, W) uint8.
    """
    layer, (height, width) = network.upsampling, size
    channels, stride = scores.shape[1], layer.stride[0]
    offset = network.final_offset + int(layer.padding[0])  # row and column of the image in the upsampled scores
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
    """Largest possible ratio of a logit to the largest coarse score, a scalar on the layer's device."""
    return _weights(layer).abs().sum(1).amax()


def _weights(layer: nn.ConvTranspose2d) -> torch.Tensor:
    """Weights from the 2 x 2 coarse scores of a block to its logits: (C * stride * stride, C * 2 * 2)."""
    stride = layer.stride[0]
    weight = layer.weight.detach()  # (in, out, 2 * stride, 2 * stride)
    channels = len(weight)
    parts = weight.view(channels, channels, 2, stride, 2, stride)  # in, out, up, row, back, column
    return parts.permute(1, 3, 5, 0, 2, 4).reshape(channels * stride**2, channels * 4)
