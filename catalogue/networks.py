"""The networks of the catalogue by name."""

from collections.abc import Callable
from functools import partial

from torch import nn

from catalogue import import_path
from fcn.fcn import FCN, FCN8s, PaperFCN
from fcn.unet import UNet

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "fcn32s": partial(FCN, stride=32),
    "fcn16s": partial(FCN, stride=16),
    "fcn8s": FCN8s,
    "fcn32s_vgg16": partial(FCN, stride=32, backbone="vgg16"),
    "fcn16s_vgg16": partial(FCN, stride=16, backbone="vgg16"),
    "fcn8s_vgg16": partial(FCN, stride=8, backbone="vgg16"),
    "fcn32s_vgg16_bn": partial(FCN, stride=32, backbone="vgg16_bn"),
    "fcn16s_vgg16_bn": partial(FCN, stride=16, backbone="vgg16_bn"),
    "fcn8s_vgg16_bn": partial(FCN, stride=8, backbone="vgg16_bn"),
    "fcn32s_paper": partial(PaperFCN, stride=32),
    "fcn16s_paper": partial(PaperFCN, stride=16),
    "fcn8s_paper": partial(PaperFCN, stride=8),
    "fcn8s_paper_at_once": partial(PaperFCN, stride=8, at_once=True),
    "unet": UNet,
    "unet_valid": partial(UNet, valid=True),
}
"""Name -> function from the number of classes to a network with random weights."""


def network(name: str, num_classes: int, *, flag: str = "--network") -> nn.Module:
    """The network with a name of the catalogue, or with the import path of a function, with random weights.

    Args:
        name: in `NETWORKS`, or an import path such as `package.module:build`.
        num_classes: channels of the logits.
        flag: origin of the name, for messages.

    Raises:
        InputError: if there is no such network.
    """
    if name not in NETWORKS and import_path.is_import_path(name):
        return import_path.network(name, num_classes, flag=flag)
    return import_path.choose(NETWORKS, name, flag, "package.module:build")(num_classes)
