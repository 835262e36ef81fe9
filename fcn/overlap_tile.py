"""The overlap-tile strategy of U-Net (Ronneberger, Fischer and Brox 2015, section 2 and figure 2)."""

from collections.abc import Callable

import torch

BORDER = 92
"""Pixels that the valid convolutions of a U-Net with four poolings remove on each side."""


def overlap_tile(scores_of: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, tile: int) -> torch.Tensor:
    """Scores of a whole image, tile by tile, from a network that removes a border.

    Beyond its edges, the image is mirrored. Tiles begin at multiples of the stride of the network, so they have no
    visible seams: the scores equal those of one tile of the size of the image.

    Args:
        scores_of: (N, 3, h + 184, w + 184) -> (N, C, h, w) for sides 16 n + 4.
        image: (N, 3, H, W), any size.
        tile: largest side of the scores of a tile; 16 n + 4.

    Returns:
        (N, C, H, W) scores.
    """
    height, width = image.shape[-2:]
    rows, columns = _Axis(height, tile), _Axis(width, tile)
    mirrored = image[..., rows.mirrored(image.device)[:, None], columns.mirrored(image.device)]
    strips = [
        torch.cat([scores_of(mirrored[..., top, left])[..., : rows.step, : columns.step] for left in columns.tiles], -1)
        for top in rows.tiles
    ]
    return torch.cat(strips, -2)[..., :height, :width]


class _Axis:
    """Positions of the tiles along one axis of an image."""

    def __init__(self, length: int, tile: int) -> None:
        self.length = length
        fitting = 4 + 16 * -(-max(0, length - 4) // 16)
        self.side = min(tile, fitting)
        self.step = self.side if self.side >= length else self.side - 4
        self.starts = range(0, length, self.step)

    @property
    def tiles(self) -> list[slice]:
        """The part of the mirrored image for each tile."""
        return [slice(start, start + self.side + 2 * BORDER) for start in self.starts]

    def mirrored(self, device: torch.device) -> torch.Tensor:
        """Index in the image of each pixel of the mirrored image, from `-BORDER` to the end of the last tile."""
        places = torch.arange(-BORDER, self.starts[-1] + self.side + BORDER, device=device).abs()
        period = max(1, 2 * (self.length - 1))
        return torch.minimum(places % period, period - places % period)
