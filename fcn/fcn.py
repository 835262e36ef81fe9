"""Fully convolutional networks (Long, Shelhamer and Darrell 2015, arXiv:1411.4038)."""

import torch
from torch import nn
from torch.nn import functional

from fcn.vgg import VGG


class FCN8s(nn.Module):
    """FCN-8s: class scores at strides 32, 16 and 8, upsampled and summed from coarse to fine.

    The backbone's convolutions are scored directly, without the fc6 and fc7 of the paper.
    """

    def __init__(self, num_classes: int, backbone: str = "vgg11_bn") -> None:
        super().__init__()
        self.vgg = VGG(backbone)
        self.score_pool_32 = nn.Conv2d(512, num_classes, 1)
        self.score_pool_16 = nn.Conv2d(512, num_classes, 1)
        self.score_pool_8 = nn.Conv2d(256, num_classes, 1)
        self.upscore_32 = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, padding=1, bias=False)
        self.upscore_16 = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, padding=1, bias=False)
        self.upscore_8 = nn.ConvTranspose2d(num_classes, num_classes, 16, stride=8, padding=4, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        """Start scores near zero and upsampling as bilinear interpolation (section 4.1 of the paper)."""
        for score in (self.score_pool_32, self.score_pool_16, self.score_pool_8):
            nn.init.normal_(score.weight, std=0.01)
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]  # these convolutions have one
        for upscore in (self.upscore_32, self.upscore_16, self.upscore_8):
            with torch.no_grad():
                upscore.weight.copy_(bilinear_kernel(upscore.in_channels, upscore.kernel_size[0]))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Class scores of a normalised image of any size.

        Args:
            image: (N, 3, H, W) float.

        Returns:
            (N, C, H, W) logits.
        """
        height, width = image.shape[-2:]
        # The three resolutions only fit together on multiples of the coarsest stride.
        image = functional.pad(image, (0, -width % 32, 0, -height % 32))
        stride_8, stride_16, stride_32 = self.vgg(image)
        scores = self.upscore_32(self.score_pool_32(stride_32))  # (N, C, H/16, W/16)
        scores = self.upscore_16(scores + self.score_pool_16(stride_16))  # (N, C, H/8, W/8)
        logits: torch.Tensor = self.upscore_8(scores + self.score_pool_8(stride_8))  # (N, C, H, W)
        return logits[..., :height, :width]


def bilinear_kernel(channels: int, size: int) -> torch.Tensor:
    """The (channels, channels, size, size) weights that make a transposed convolution interpolate bilinearly."""
    centre = (size - 1) / 2
    ramp = 1 - (torch.arange(size) - centre).abs() / ((size + 1) // 2)
    weight = torch.zeros(channels, channels, size, size)
    weight[range(channels), range(channels)] = ramp[:, None] * ramp[None, :]
    return weight
