"""Weights from elsewhere: ImageNet backbones, and state dicts whose network must be told from their keys."""

from typing import NamedTuple

import torch
from torchvision.models import get_model_weights

StateDict = dict[str, torch.Tensor]


class Kind(NamedTuple):
    """What a state dict turned out to be."""

    network: str
    """A name in the catalogue's NETWORKS."""
    num_classes: int


def identify(weights: StateDict) -> Kind | None:
    """Tell the network and its number of outputs from a bare state dict; None if it is none we know."""
    score = weights.get("score_pool_8.weight")
    if score is not None and "vgg.os_8.0.weight" in weights and "upscore_8.weight" in weights:
        return Kind("fcn8s", score.shape[0])
    return None


def imagenet_url(variant: str) -> str:
    """Where torchvision has the ImageNet weights of one of its networks."""
    return str(get_model_weights(variant).IMAGENET1K_V1.url)


def download_imagenet(variant: str) -> StateDict:
    """The ImageNet weights of a torchvision network, from torch's cache or downloaded into it.

    Raises:
        OSError: if they are neither cached nor to be had.
    """
    weights: StateDict = get_model_weights(variant).IMAGENET1K_V1.get_state_dict(check_hash=True, progress=True)
    return weights
