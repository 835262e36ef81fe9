"""Fully convolutional networks (Long, Shelhamer and Darrell 2015, arXiv:1411.4038; 2016, arXiv:1605.06211)."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from fcn.padding import cropped
from fcn.vgg import CHANNELS, VGG
from fcn.weights import mismatches

Padding = tuple[int, int, int, int]
"""Pixels to add on the left, right, top and bottom of an image."""


class Merge(NamedTuple):
    """One level of the head: it scores features, and adds them to the upsampled scores of the coarser level."""

    score: nn.Conv2d
    """Convolution from features to class scores."""
    factor: float
    """Factor on the features before they are scored."""
    upsampling: nn.ConvTranspose2d | None
    """Upsampling of the coarser scores; None for the coarsest level."""
    offset: int
    """Row and column of the features at which the upsampled scores begin."""


class FCN(nn.Module):
    """FCN-32s, 16s or 8s: class scores at several strides, upsampled and summed from coarse to fine.

    In this light form the backbone's convolutions are scored directly, without the fc6 and fc7 of the paper,
    and images are padded to a multiple of 32, so that the resolutions fit together without crops.

    Args:
        num_classes: channels of the logits.
        stride: of the finest scores: 32, 16 or 8.
        backbone: a `VGG` variant.
    """

    fusible = True
    """Whether all `Sequential`s run completely, so that predictions may replace layers in them."""
    scales: dict[int, float]
    """Stride -> factor on its features before they are scored; by default 1."""
    offsets: dict[int, int]
    """Stride -> row and column at which its scores are cropped to fit the upsampled coarser scores."""
    final_offset: int
    """Row and column at which the logits are cropped to fit the image."""

    def __init__(self, num_classes: int, stride: int = 8, backbone: str = "vgg11_bn") -> None:
        super().__init__()
        self.vgg = VGG(backbone)
        self.classifier: nn.Module = nn.Identity()
        self.scales, self.offsets, self.final_offset = {}, {16: 0, 8: 0}, 0
        self._add_head(num_classes, stride, CHANNELS, same_size=True)
        for level in self.levels:
            nn.init.normal_(self._part("score_pool", level).weight, std=0.01)

    def _add_head(self, num_classes: int, stride: int, channels: dict[int, int], *, same_size: bool) -> None:
        """Add scoring and upsampling layers, named by the stride of their input; scores start at zero (section 4.1)."""
        self.levels = tuple(level for level in (32, 16, 8) if level >= stride)
        for level in self.levels:
            score = nn.Conv2d(channels[level], num_classes, 1)
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]  # these convolutions have a bias
            self.add_module(f"score_pool_{level}", score)
        for level in self.levels:
            self.add_module(f"upscore_{level}", upsampling(num_classes, level if level == stride else 2, same_size))

    def _part(self, name: str, level: int) -> nn.Conv2d | nn.ConvTranspose2d:
        return cast("nn.Conv2d | nn.ConvTranspose2d", getattr(self, f"{name}_{level}"))

    def padding(self, height: int, width: int) -> Padding:
        """Zero padding of a normalised image: on the right and bottom, up to multiples of 32."""
        return 0, -width % 32, 0, -height % 32

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Class scores of a normalised image of any size.

        Args:
            image: (N, 3, H, W) float.

        Returns:
            (N, C, H, W) logits.
        """
        return cropped(self.upsampling(self.coarse(image)), self.final_offset, like=image)

    @property
    def upsampling(self) -> nn.ConvTranspose2d:
        """The last upsampling, from the coarse scores to pixels; its kernel is twice its stride."""
        return cast("nn.ConvTranspose2d", self._part("upscore", self.levels[-1]))

    def coarse(self, image: torch.Tensor) -> torch.Tensor:
        """The sum of scores at the finest stride, before the last upsampling: (N, C, h, w).

        With `upsampling`, a prediction can be computed in strips, without all logits in memory.
        """
        padding = self.padding(image.shape[-2], image.shape[-1])
        padded = functional.pad(image, padding) if any(padding) else image
        del image
        return self.coarse_of(self.stem(padded))

    def coarse_of(self, stem: torch.Tensor) -> torch.Tensor:
        """The sum of scores, (N, C, h, w), from the output of the first layers, (N, F, h, w)."""
        levels = self._levels(stem)
        del stem
        pooled = {level: self._score(level, features) for level, features in levels}  # frees large features
        scores = pooled[32]
        for above, level in pairwise(self.levels):
            scores = self._part("upscore", above)(scores)
            scores = scores + cropped(pooled[level], self.offsets[level], like=scores)
        return scores

    @property
    def stem(self) -> nn.Sequential:
        """The first layers, which run on the padded image."""
        return self.vgg.os_8

    def features(self, padded: torch.Tensor) -> list[torch.Tensor]:
        """The features to score, (N, F, h, w) each, of a normalised and padded image, from the coarsest level on."""
        return [features for _, features in self._levels(self.stem(padded))][::-1]

    @property
    def merges(self) -> list[Merge]:
        """The levels of the head, from the coarsest on, in the order of `features`."""
        return [
            Merge(
                cast("nn.Conv2d", self._part("score_pool", level)),
                self.scales.get(level, 1.0),
                None if above is None else cast("nn.ConvTranspose2d", self._part("upscore", above)),
                0 if above is None else self.offsets[level],
            )
            for above, level in zip((None, *self.levels), self.levels, strict=False)
        ]

    def _levels(self, features: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """The scored strides with their features, from the finest on; `features` is the output of the stem."""
        for level, stage in self.vgg.stages.items():
            if stage is not self.stem:
                features = stage(features)
            if level == 32:
                features = self.classifier(features)
            if level in self.levels:
                yield level, features

    def _score(self, level: int, features: torch.Tensor) -> torch.Tensor:
        scaled = features * self.scales[level] if level in self.scales else features
        scores: torch.Tensor = self._part("score_pool", level)(scaled)
        return scores

    def load_torchvision(self, weights: dict[str, torch.Tensor]) -> None:
        """Load the state dict of a torchvision VGG into the backbone.

        Raises:
            ValueError: with the list of mismatches.
        """
        self.vgg.load_torchvision(weights)


class FCN8s(FCN):
    """FCN-8s in the light form of the original FCN8s repository."""

    score_pool_32: nn.Conv2d
    score_pool_16: nn.Conv2d
    score_pool_8: nn.Conv2d
    upscore_32: nn.ConvTranspose2d
    upscore_16: nn.ConvTranspose2d
    upscore_8: nn.ConvTranspose2d

    def __init__(self, num_classes: int, backbone: str = "vgg11_bn") -> None:
        super().__init__(num_classes, 8, backbone)


class PaperFCN(FCN):
    """FCN-32s, 16s or 8s as published: VGG's fc6 and fc7 as convolutions, padding by 100, and crops.

    Scores start at zero (2015, section 4.1), so the first step trains only them. The offsets follow from the padding
    and are those of the authors' Caffe networks (github.com/shelhamer/fcn.berkeleyvision.org).

    Args:
        num_classes: channels of the logits.
        stride: of the finest scores: 32, 16 or 8; 16 should start from the weights of 32, and 8 from those of 16.
        backbone: a `VGG` variant.
        at_once: scale pool4 by 0.01 and pool3 by 0.0001, to train FCN-8s at once (2016, section 4.3).
        learn_upsampling: learn the last upsampling too, which otherwise stays bilinear (2015, section 4.3).
        fc_channels: channels of fc6 and fc7.
    """

    def __init__(
        self,
        num_classes: int,
        stride: int = 8,
        backbone: str = "vgg16",
        *,
        at_once: bool = False,
        learn_upsampling: bool = False,
        fc_channels: int = 4096,
    ) -> None:
        nn.Module.__init__(self)
        self.vgg = VGG(backbone, ceil_mode=True)
        self.classifier = convolutional_classifier(fc_channels)
        self.scales = {16: 0.01, 8: 0.0001} if at_once else {}
        self.offsets, self.final_offset = {16: 5, 8: 9}, {32: 19, 16: 27, 8: 31}[stride]
        self._add_head(num_classes, stride, CHANNELS | {32: fc_channels}, same_size=False)
        self._part("upscore", stride).weight.requires_grad_(learn_upsampling)

    def padding(self, height: int, width: int) -> Padding:
        """Zero padding of an image: 99, which with 1 of the first convolution is the 100 of the paper."""
        del height, width
        return 99, 99, 99, 99

    def load_torchvision(self, weights: dict[str, torch.Tensor]) -> None:
        """Load the state dict of a torchvision VGG: its convolutions, and its first two linear layers as fc6 and fc7.

        Raises:
            ValueError: with the list of mismatches.
        """
        expected = self.classifier.state_dict()
        linear = {"0": "fc6", "3": "fc7"}
        renamed = {
            f"{ours}.{kind}": weights[key]
            for place, ours in linear.items()
            for kind in ("weight", "bias")
            if (key := f"classifier.{place}.{kind}") in weights
        }
        # (4096, 512 * 7 * 7) -> (4096, 512, 7, 7): the same numbers in the same order.
        shaped = {
            key: value.view_as(expected[key]) if value.numel() == expected[key].numel() else value
            for key, value in renamed.items()
        }
        if wrong := mismatches(expected, shaped):
            raise ValueError("\n".join(wrong))
        self.vgg.load_torchvision(weights)
        self.classifier.load_state_dict(shaped)


def convolutional_classifier(channels: int) -> nn.Module:
    """The fc6 and fc7 of VGG as convolutions (section 3.1), with dropout."""
    fc6, fc7 = nn.Conv2d(512, channels, 7), nn.Conv2d(channels, channels, 1)
    layers = (fc6, nn.ReLU(inplace=True), nn.Dropout(), fc7, nn.ReLU(inplace=True), nn.Dropout())
    return nn.Sequential(OrderedDict(zip(("fc6", "relu6", "drop6", "fc7", "relu7", "drop7"), layers, strict=True)))


def upsampling(channels: int, factor: int, same_size: bool) -> nn.ConvTranspose2d:
    """A transposed convolution that starts as bilinear interpolation (section 3.3).

    Args:
        channels: of the input and the output.
        factor: of the enlargement; even.
        same_size: make the output exactly `factor` times as large; otherwise it keeps a border.
    """
    padding = factor // 2 if same_size else 0
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=padding, bias=False)
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(channels, 2 * factor))
    return layer


def bilinear_kernel(channels: int, size: int) -> torch.Tensor:
    """The (channels, channels, size, size) weights with which a transposed convolution interpolates bilinearly.

    They are on the CPU even if the network is built on the meta device.
    """
    centre = (size - 1) / 2
    ramp = 1 - (torch.arange(size, device="cpu") - centre).abs() / ((size + 1) // 2)
    weight = torch.zeros(channels, channels, size, size, device="cpu")
    weight[range(channels), range(channels)] = ramp[:, None] * ramp[None, :]
    return weight
