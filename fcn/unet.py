"""U-Net (Ronneberger, Fischer and Brox 2015, arXiv:1505.04597)."""

import torch
from torch import nn

from fcn.overlap_tile import overlap_tile
from fcn.padding import cropped, pad_to_multiple
from fcn.vgg import initialise

DEPTH = 5


class UNet(nn.Module):
    """U-Net: an encoder and a decoder with skip connections at each resolution.

    The padded form has batch normalisation and keeps sizes. The paper's form has valid convolutions without batch
    normalisation, dropout of the deepest features, and the overlap-tile strategy against the loss of the border.

    Args:
        num_classes: channels of the logits.
        valid: use the paper's form instead of the padded one.
        channels: of the first level; doubled on each of the four deeper levels.
        tile: largest side of the tiles of the paper's form, in pixels of the logits; 16 n + 4.
    """

    fusible = True
    """Whether all `Sequential`s run completely, so that predictions may replace layers in them."""

    def __init__(self, num_classes: int, *, valid: bool = False, channels: int = 64, tile: int = 1012) -> None:
        super().__init__()
        self.valid, self.tile = valid, tile
        widths = [channels << level for level in range(DEPTH)]
        self.down = nn.ModuleList(_block(*ends, valid) for ends in zip([3, *widths[:-1]], widths, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout() if valid else nn.Identity()
        upwards = widths[-2::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in upwards)
        self.merge = nn.ModuleList(_block(2 * width, width, valid) for width in upwards)
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Class scores of a normalised image of any size.

        Args:
            image: (N, 3, H, W) float.

        Returns:
            (N, C, H, W) logits.
        """
        if self.valid:
            return overlap_tile(self._scores, image, self.tile)
        return cropped(self._scores(pad_to_multiple(image, 1 << DEPTH - 1)), 0, like=image)

    def _scores(self, image: torch.Tensor) -> torch.Tensor:
        """Scores of an image whose sides fit the network; the paper's form removes 92 pixels on each side."""
        skipped: list[torch.Tensor] = []
        features = self.down[0](image)
        for block in self.down[1:]:
            skipped.append(features)
            features = block(self.pool(features))  # half the side, twice the channels
        features = self.dropout(features)
        for up, merge in zip(self.up, self.merge, strict=True):
            features = up(features)  # twice the side, half the channels
            skip = skipped.pop()
            centred = cropped(skip, (skip.shape[-1] - features.shape[-1]) // 2, like=features)
            features = merge(torch.cat([centred, features], 1))
        scores: torch.Tensor = self.score(features)
        return scores


def _block(channels_in: int, channels_out: int, valid: bool) -> nn.Sequential:
    """Two convolutions with ReLU, initialised as in section 3."""
    layers: list[nn.Module] = []
    for channels in (channels_in, channels_out):
        convolution = nn.Conv2d(channels, channels_out, 3, padding=0 if valid else 1, bias=valid)
        initialise(convolution)
        layers += [convolution] if valid else [convolution, nn.BatchNorm2d(channels_out)]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
