"""Antialiased bilinear resampling as a matrix product, with exactly the weights of torch's kernel for uint8."""

import torch


class Axis:
    """Mapping from the pixels of an image to those of a crop along one axis, for a batch of crops.

    Args:
        start: (N,) first pixel of the region in the image.
        side: (N,) length of the region in pixels.
        scale: (N,) pixels of the region per pixel of the crop.
        positions: (N, S) index in the resized region of each pixel of the crop; reversed where the crop is mirrored.
    """

    def __init__(self, start: torch.Tensor, side: torch.Tensor, scale: torch.Tensor, positions: torch.Tensor) -> None:
        self.start, self.side, self.scale, self.positions = start[:, None], side[:, None], scale[:, None], positions

    def weights(self, length: int) -> torch.Tensor:
        """Weights (N, S, length) of each pixel of the image in each pixel of the crop.

        They are those of torch's antialiased bilinear interpolation of uint8: a triangle around the centre, clipped at
        the ends of the region, divided by its sum, and rounded to multiples of a power of two. Pixels of the region
        outside the image contribute to the sum only.
        """
        # The centre is (position + 0.5) * side / S = origin + fraction. Relative to the origin all numbers are small.
        doubled = 2 * self.positions.shape[1]
        numerator = (2 * self.positions + 1).long() * self.side.long()
        origin = numerator // doubled
        fraction = (numerator - origin * doubled).float() / doubled
        support = self.scale.clamp(min=1)
        first = torch.maximum((fraction - support + 0.5).floor(), -origin.float())
        last = torch.minimum((fraction + support + 0.5).floor(), self.side - origin)
        peak = 1 - (0.5 - fraction).abs() / support  # weight of the pixel that contains the centre
        total = _triangle_sum(first, last, fraction, support)
        unit = _unit((peak / total).amax(1, keepdim=True))

        pixels = torch.arange(length, dtype=torch.float32, device=fraction.device) - self.start  # (N, length)
        outside = (pixels < 0) | (pixels >= self.side)
        distance = pixels[:, None] - origin[:, :, None]  # (N, S, length)
        distance = distance.add_((0.5 - fraction)[:, :, None]).abs_()
        weights = distance.div_(-support[:, :, None]).add_(1).clamp_(min=0).div_((total * unit)[:, :, None])
        weights = weights.add_(0.5).floor_().mul_(unit[:, :, None])
        return weights.masked_fill_(outside[:, None], 0)

    def nearest(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices (N, S) of the nearest pixels in an image of that length, and whether they are inside the image."""
        pixels = (torch.minimum((self.positions * self.scale).floor(), self.side - 1) + self.start).long()
        return pixels.clamp(0, length - 1), (pixels >= 0) & (pixels < length)


def _triangle_sum(first: torch.Tensor, last: torch.Tensor, centre: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Sum of 1 - |pixel + 0.5 - centre| / support over the pixels from `first` to before `last`, in closed form."""
    middle = (centre + 0.5).floor().clamp(first, last)  # pixels before it are left of the centre
    left = (middle - first) * centre - (middle**2 - first**2) / 2
    right = (last**2 - middle**2) / 2 - (last - middle) * centre
    return last - first - (left + right) / support


def _unit(largest: torch.Tensor) -> torch.Tensor:
    """Power of two to whose multiples torch rounds weights, so that the largest of an axis is below 2^15 of them."""
    return torch.exp2(1 - torch.ceil(torch.log2((2**15 - 0.5) / largest))).clamp(min=2**-22)


def split_for_tf32(weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split weights into terms, so that their products with integers up to 255 stay precise in TF32.

    If float32 matrix products may use TF32, which keeps 11 bits of each number, the terms are the 11 highest bits and
    the rest. Two TF32 products take a GPU less time than one in full float32. Otherwise there is one term.
    """
    if torch.get_float32_matmul_precision() == "highest":
        return (weights,)
    high = (weights.view(torch.int32) & ~0x1FFF).view(torch.float32)
    return high, weights - high
