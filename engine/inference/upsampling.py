"""Predictions from coarse scores, without logits of the whole image.

The last layer of many networks is a transposed convolution whose kernel is twice its stride. Then the logits of a
block of stride x stride pixels are sums over 2 x 2 coarse scores: a matrix product, of as many blocks at a time as
stay in the cache, which are judged before the next are computed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn import functional

from engine.packing import Products, packed

_LOGITS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 26}


@runtime_checkable
class Coarse(Protocol):
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
class Stepwise(Coarse, Protocol):
    """A `Coarse` network that shows its steps, so that kernels may take their place.

    Its `coarse` is: zeros around the image as `padding` says, then `features`, then all `merges`.
    """

    @property
    def stem(self) -> nn.Sequential:
        """The first layers, which `features` runs first, on nothing but the padded image."""

    def padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Zeros left, right, above and below a normalised image of that size."""

    def features(self, padded: torch.Tensor) -> list[torch.Tensor]:
        """Of each level, from the coarsest on: (N, F, h, w), from the padded image."""

    @property
    def merges(self) -> Sequence[Merge]:
        """Of each level, from the coarsest on."""


Judge = Callable[[torch.Tensor], torch.Tensor]
"""(C, ...) logits -> (...) uint8."""


def judge_upsampled(network: Coarse, scores: torch.Tensor, size: tuple[int, int], judge: Judge) -> torch.Tensor:
    """Predict an image from its (1, C, h, w) coarse scores by a judge of its pixels' logits -> (H, W) uint8.

    Args:
        network: whose scores they are.
        scores: coarse ones.
        size: H and W.
        judge: of logits.
    """
    layer, (height, width) = network.upsampling, size
    coarse = functional.pad(scores[0].permute(1, 2, 0), (0, 0, 1, 1, 1, 1))  # (h, w, C); zeros where there are none
    channels, stride = coarse.shape[-1], layer.stride[0]
    offset = network.final_offset + int(layer.padding[0])
    first, last = offset // stride, (offset + height - 1) // stride
    left, right = offset // stride, (offset + width - 1) // stride
    blocks = right - left + 1
    step = max(1, _LOGITS_AT_ONCE[scores.device.type] // (channels * stride**2 * blocks))
    multiply = _products(_matrix(layer).to(scores), step * blocks)
    whole = torch.empty((last - first + 1, stride, blocks, stride), dtype=torch.uint8, device=scores.device)
    for row in range(first, last + 1, step):
        rows = min(step, last + 1 - row)
        corners = [
            coarse[1 + row - up : 1 + row - up + rows, 1 + left - back : 2 + right - back]
            for up in (0, 1)
            for back in (0, 1)
        ]
        logits = multiply(torch.stack(corners, -1).view(rows * blocks, -1)).view(rows * blocks, channels, -1)
        ids = judge(logits.transpose(0, 1)).view(rows, blocks, stride, stride)
        whole[row - first : row - first + rows] = ids.transpose(1, 2)
    skipped = offset - first * stride
    return whole.view(-1, blocks * stride)[skipped : skipped + height, skipped : skipped + width]


def _products(matrix: torch.Tensor, rows: int) -> Products:
    """What multiplies (n, I) by an (O, I) matrix, mostly so many rows at once."""
    if matrix.device.type == "cpu" and matrix.dtype == torch.float32:
        return packed(matrix[None], torch.zeros(1, len(matrix)), rows)
    return lambda values: values @ matrix.T


def _matrix(layer: nn.ConvTranspose2d) -> torch.Tensor:
    """(C * stride * stride, C * 2 * 2): from the coarse scores around a block to the logits in it."""
    stride = layer.stride[0]
    weight = layer.weight.detach()  # (in, out, 2 * stride, 2 * stride)
    channels = len(weight)
    parts = weight.view(channels, channels, 2, stride, 2, stride)  # in, out, up, row, back, column
    return parts.permute(1, 3, 5, 0, 2, 4).reshape(channels * stride**2, channels * 4)
