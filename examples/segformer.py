"""SegFormer-B0 of Hugging Face transformers; needs `pip install transformers`.

python train_fcn.py --network examples.segformer:build
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import SegformerConfig, SegformerForSemanticSegmentation


class Segformer(nn.Module):
    """SegFormer-B0 whose logits are upsampled from a quarter of the image size to the full size."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        # SegformerForSemanticSegmentation.from_pretrained(name, num_labels=num_classes) loads trained weights.
        self.network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=num_classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, C, H, W) logits."""
        logits = self.network(image).logits  # (N, C, H/4, W/4)
        return functional.interpolate(logits, image.shape[-2:], mode="bilinear")


def build(num_classes: int) -> nn.Module:
    """SegFormer-B0 with random weights."""
    return Segformer(num_classes)
