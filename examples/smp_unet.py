"""U-Net of segmentation_models_pytorch; needs `pip install segmentation_models_pytorch`.

python train_fcn.py --network examples.smp_unet:build
"""

import segmentation_models_pytorch as smp
from torch import nn

from fcn.padding import Padded


def build(num_classes: int) -> nn.Module:
    """U-Net on a ResNet-18 with random weights; `encoder_weights="imagenet"` downloads trained ones."""
    return Padded(smp.Unet("resnet18", encoder_weights=None, classes=num_classes), 32)
