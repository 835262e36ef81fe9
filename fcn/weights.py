"""Foreign weights: ImageNet backbones, and state dicts whose network is identified by their keys."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

StateDict = dict[str, torch.Tensor]

CAFFE_MEAN = (122.67891434 / 255, 116.66876762 / 255, 104.00698793 / 255)
"""Mean red, green and blue of the training images of Caffe's VGG, from 0 to 1."""
CAFFE_STD = (1 / 255, 1 / 255, 1 / 255)
"""Scale of the images of Caffe's VGG, which expects values from 0 to 255."""

_CONVOLUTIONS_OF_VGG11 = 8

_IDENTIFYING = (
    *("score_fr.weight", "conv1_1.weight", "score_pool_32.weight", "vgg.os_8.0.weight", "score.weight"),
    "down.0.0.weight",
)
"""Convolutions that identify networks; they have at most 256 outputs."""


class Identified(NamedTuple):
    """A state dict whose network was identified."""

    network: str
    """Name of the network in `catalogue.NETWORKS`."""
    num_classes: int
    """Number of outputs of the network."""
    weights: StateDict
    """The tensors under their names in this project, for RGB images."""
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and standard deviation of the images, for values from 0 to 1; None for those of ImageNet."""


def identify(weights: StateDict, hint: str = "") -> Identified | None:
    """Identify the network and its number of outputs from a bare state dict; None if it is unknown.

    Args:
        weights: names and tensors.
        hint: name of the network in the checkpoint, or the file name. Only FCN-8s at once needs it, because its weights
            have the names and shapes of those of FCN-8s.
    """
    at_once = "atonce" in hint.lower().replace("-", "").replace("_", "")
    if any(weights[key].ndim != 4 or not 1 <= len(weights[key]) <= 256 for key in _IDENTIFYING if key in weights):
        return None
    if "score_fr.weight" in weights and "conv1_1.weight" in weights:
        return _pytorch_fcn(weights, at_once)
    if "score_pool_32.weight" in weights and "vgg.os_8.0.weight" in weights:
        return Identified(_fcn(weights, at_once), weights["score_pool_32.weight"].shape[0], weights)
    if "score.weight" in weights and "down.0.0.weight" in weights:
        valid = "down.0.0.bias" in weights
        return Identified("unet_valid" if valid else "unet", weights["score.weight"].shape[0], weights)
    return None


def _fcn(weights: StateDict, at_once: bool) -> str:
    """Name of the FCN, in the light form or the paper's, that best matches a state dict of this project."""
    stride = min(stride for stride in (32, 16, 8) if f"score_pool_{stride}.weight" in weights)
    if "classifier.fc6.weight" in weights:
        return _paper(stride, at_once)
    vgg = [key for key in weights if key.startswith("vgg.")]
    if sum(weights[key].ndim == 4 for key in vgg) <= _CONVOLUTIONS_OF_VGG11:
        return f"fcn{stride}s"
    norm = "_bn" if any(key.endswith("running_mean") for key in vgg) else ""
    return f"fcn{stride}s_vgg16{norm}"


def _paper(stride: int, at_once: bool) -> str:
    return f"fcn{stride}s_paper" + ("_at_once" if at_once and stride == 8 else "")


_PYTORCH_FCN = {
    "conv1_1": "vgg.os_8.0",
    "conv1_2": "vgg.os_8.2",
    "conv2_1": "vgg.os_8.5",
    "conv2_2": "vgg.os_8.7",
    "conv3_1": "vgg.os_8.10",
    "conv3_2": "vgg.os_8.12",
    "conv3_3": "vgg.os_8.14",
    "conv4_1": "vgg.os_16.0",
    "conv4_2": "vgg.os_16.2",
    "conv4_3": "vgg.os_16.4",
    "conv5_1": "vgg.os_32.0",
    "conv5_2": "vgg.os_32.2",
    "conv5_3": "vgg.os_32.4",
    "fc6": "classifier.fc6",
    "fc7": "classifier.fc7",
    "score_fr": "score_pool_32",
    "score_pool4": "score_pool_16",
    "score_pool3": "score_pool_8",
    "upscore": "upscore_32",
    "upscore2": "upscore_32",
    "upscore16": "upscore_16",
    "upscore_pool4": "upscore_16",
    "upscore8": "upscore_8",
}
"""Layer of wkentaro/pytorch-fcn, named as in the authors' Caffe networks -> its name in this project."""


def _pytorch_fcn(weights: StateDict, at_once: bool) -> Identified:
    """Convert weights of wkentaro/pytorch-fcn; unknown layers keep their names, so that they are reported later."""
    renamed: StateDict = {}
    for key, value in weights.items():
        layer, _, parameter = key.rpartition(".")
        renamed[f"{_PYTORCH_FCN.get(layer, layer)}.{parameter}"] = value
    # Trained on BGR images: reversing the input channels of the first filters adapts them to RGB.
    renamed["vgg.os_8.0.weight"] = renamed["vgg.os_8.0.weight"].flip(1)
    stride = 8 if "score_pool3.weight" in weights else 16 if "score_pool4.weight" in weights else 32
    num_classes = weights["score_fr.weight"].shape[0]
    return Identified(_paper(stride, at_once), num_classes, renamed, (CAFFE_MEAN, CAFFE_STD))


def imagenet_url(variant: str) -> str:
    """URL of the ImageNet weights of a torchvision network."""
    return str(_imagenet(variant).url)


def cached_imagenet(variant: str) -> Path:
    """Path of these weights in torch's download cache; the file name ends with the start of their SHA-256."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(imagenet_url(variant)).name


def download_imagenet(variant: str) -> StateDict:
    """The ImageNet weights of a torchvision network, downloaded into torch's cache and verified.

    Raises:
        OSError: if they are not cached and cannot be downloaded.
    """
    weights: StateDict = _imagenet(variant).get_state_dict(check_hash=True, progress=True)
    return weights


def _imagenet(variant: str) -> Any:
    from torchvision.models import get_model_weights  # imported late, because it takes seconds

    return get_model_weights(variant).IMAGENET1K_V1


def mismatches(expected: StateDict, found: StateDict) -> list[str]:
    """The differences that keep the state dict `found` from being loaded into a network with `expected`."""
    both = [key for key in expected if key in found]
    return [
        *(f"missing: {key} {tuple(expected[key].shape)}" for key in expected if key not in found),
        *(f"unknown: {key}" for key in found if key not in expected),
        *(
            f"wrong shape: {key} is {tuple(found[key].shape)}, expected {tuple(expected[key].shape)}"
            for key in both
            if found[key].shape != expected[key].shape
        ),
        *(
            f"wrong type: {key} is {_type(found[key])}, expected {_type(expected[key])}"
            for key in both
            if found[key].shape == expected[key].shape and not fits(expected[key], found[key])
        ),
    ]


def fits(expected: torch.Tensor, found: torch.Tensor) -> bool:
    """Whether a tensor can replace another one: same shape, and both floating point or both integers."""
    return found.shape == expected.shape and found.is_floating_point() == expected.is_floating_point()


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
