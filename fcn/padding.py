"""Padding for networks that only accept multiples of their stride as image sizes."""

import torch
from torch import nn
from torch.nn import functional


def pad_to_multiple(image: torch.Tensor, multiple: int) -> torch.Tensor:
    """Zero padding of a (N, C, H, W) image on the right and bottom, up to the next multiple of both sides."""
    height, width = image.shape[-2:]
    if height % multiple == 0 == width % multiple:
        return image
    return functional.pad(image, (0, -width % multiple, 0, -height % multiple))


class Padded(nn.Module):
    """A network from (N, 3, H, W) to (N, C, H, W) that pads its images to a multiple and crops its logits."""

    def __init__(self, network: nn.Module, multiple: int = 32) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) images of any size -> (N, C, H, W) logits."""
        logits: torch.Tensor = self.network(pad_to_multiple(image, self.multiple))
        return cropped(logits, 0, image)


def cropped(scores: torch.Tensor, offset: int, like: torch.Tensor) -> torch.Tensor:
    """The part of (N, C, H, W) scores that begins at (offset, offset) and has the height and width of `like`."""
    height, width = like.shape[-2:]
    return scores[..., offset : offset + height, offset : offset + width]
