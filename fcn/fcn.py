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
"""Pixels left, right, above and below an image."""


class Merge(NamedTuple):
    """How the scores of a level come from its features and from the coarser level's scores."""

    score: nn.Conv2d
    factor: float
    """On the features, before they are scored."""
    upsampling: nn.ConvTranspose2d | None
    """Of the coarser scores, to which those of the features are added; None for the coarsest level."""
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
    """Its `Sequential`s always run whole, so predictions may put other layers into them."""
    scales: dict[int, float]
    """Factor on the features of a stride before they are scored; 1 where there is none."""
    offsets: dict[int, int]
    """Where scores of a stride are cropped to fit on those from below."""
    final_offset: int
    """Where the logits are cropped to fit on the image."""

    def __init__(self, num_classes: int, stride: int = 8, backbone: str = "vgg11_bn") -> None:
        super().__init__()
        self.vgg = VGG(backbone)
        self.classifier: nn.Module = nn.Identity()
        self.scales, self.offsets, self.final_offset = {}, {16: 0, 8: 0}, 0
        self._add_head(num_classes, stride, CHANNELS, same_size=True)
        for level in self.levels:
            nn.init.normal_(self._part("score_pool", level).weight, std=0.01)

    def _add_head(self, num_classes: int, stride: int, channels: dict[int, int], *, same_size: bool) -> None:
        """Scores and upsamplings, named by the stride of what goes in; scores start at zero (section 4.1)."""
        self.levels = tuple(level for level in (32, 16, 8) if level >= stride)
        for level in self.levels:
            score = nn.Conv2d(channels[level], num_classes, 1)
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]  # these convolutions have one
            self.add_module(f"score_pool_{level}", score)
        for level in self.levels:
            self.add_module(f"upscore_{level}", upsampling(num_classes, level if level == stride else 2, same_size))

    def _part(self, name: str, level: int) -> nn.Conv2d | nn.ConvTranspose2d:
        return cast("nn.Conv2d | nn.ConvTranspose2d", getattr(self, f"{name}_{level}"))

    def padding(self, height: int, width: int) -> Padding:
        """Zeros around a normalised image of that size: on the right and below, up to multiples of 32."""
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
        """The last one, from coarse scores to those of pixels; its kernel is twice its stride."""
        return cast("nn.ConvTranspose2d", self._part("upscore", self.levels[-1]))

    def coarse(self, image: torch.Tensor) -> torch.Tensor:
        """The sum of scores at the finest stride, before the last upsampling.

        Predictions can be made from it and `upsampling` piece by piece, without all logits at once.
        """
        padding = self.padding(image.shape[-2], image.shape[-1])
        padded = functional.pad(image, padding) if any(padding) else image
        del image
        return self.coarse_of(self.stem(padded))

    def coarse_of(self, stem: torch.Tensor) -> torch.Tensor:
        """What the first layers give, (N, F, h, w) -> the sum of scores, (N, C, h, w)."""
        levels = self._levels(stem)
        del stem
        pooled = {level: self._score(level, features) for level, features in levels}  # features, which are large, go
        scores = pooled[32]
        for above, level in pairwise(self.levels):
            scores = self._part("upscore", above)(scores)
            scores = scores + cropped(pooled[level], self.offsets[level], like=scores)
        return scores

    @property
    def stem(self) -> nn.Sequential:
        """The first layers, which see the padded image."""
        return self.vgg.os_8

    def features(self, padded: torch.Tensor) -> list[torch.Tensor]:
        """What is scored, from the coarsest on, of a normalised image with its padding: (N, F, h, w) each."""
        return [features for _, features in self._levels(self.stem(padded))][::-1]

    @property
    def merges(self) -> list[Merge]:
        """How scores come from those features, from the coarsest on."""
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
        """The strides that are scored, from the finest on, and their features, from what the stem gives."""
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
        """Start from the state dict of a torchvision VGG.

        Raises:
            ValueError: with the list of what does not match.
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

    Scores start at zero (2015, section 4.1), so the first step trains nothing but them. The offsets follow from the
    padding and are those of the authors' Caffe networks (github.com/shelhamer/fcn.berkeleyvision.org).

    Args:
        num_classes: channels of the logits.
        stride: of the finest scores: 32, 16 or 8; 16 is meant to start from the weights of 32, and 8 from 16.
        backbone: a `VGG` variant.
        at_once: scale pool4 by 0.01 and pool3 by 0.0001, to train FCN-8s in one go (2016, section 4.3).
        learn_upsampling: learn the last upsampling too, which else stays bilinear (2015, section 4.3).
        fc_channels: of fc6 and fc7.
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
        """Zeros around an image of any size: 99 here and 1 in the first convolution are the paper's 100."""
        del height, width
        return 99, 99, 99, 99

    def load_torchvision(self, weights: dict[str, torch.Tensor]) -> None:
        """Start from the state dict of a torchvision VGG: its convolutions, and its first two linear layers.

        Raises:
            ValueError: with the list of what does not match.
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
        channels: in and out.
        factor: of the enlargement, even.
        same_size: make the result exactly `factor` times as large; else it keeps a border.
    """
    padding = factor // 2 if same_size else 0
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=padding, bias=False)
    with torch.no_grad():
        layer.weight.copy_(bilinear_kernel(channels, 2 * factor))
    return layer


def bilinear_kernel(channels: int, size: int) -> torch.Tensor:
    """The (channels, channels, size, size) weights that make a transposed convolution interpolate bilinearly.

    They are in memory even where the network that is being built has none.
    """
    centre = (size - 1) / 2
    ramp = 1 - (torch.arange(size, device="cpu") - centre).abs() / ((size + 1) // 2)
    weight = torch.zeros(channels, channels, size, size, device="cpu")
    weight[range(channels), range(channels)] = ramp[:, None] * ramp[None, :]
    return weight
