"""What there is: networks and benchmarks by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from camvid.dataset import CamVid32Benchmark, CamVidBenchmark
from cityscapes.dataset import CityscapesBenchmark
from engine import checkpoints
from engine.checkpoints import About
from engine.dataset import Benchmark
from engine.faults import InputError
from engine.transforms import IMAGENET_MEAN, IMAGENET_STD
from fcn import weights as foreign
from fcn.fcn import FCN8s
from fcn.vgg import VGG, mismatches
from kitti_road.dataset import KittiRoadBenchmark
from pascal_voc.dataset import PascalVocBenchmark

BENCHMARKS: dict[str, Callable[[], Benchmark]] = {
    "cityscapes": CityscapesBenchmark,
    "camvid": CamVidBenchmark,
    "camvid32": CamVid32Benchmark,
    "kitti_lane": partial(KittiRoadBenchmark, "lane"),
    "kitti_road": KittiRoadBenchmark,
    "pascal_voc": PascalVocBenchmark,
}

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "fcn8s": FCN8s,
}
"""Builders from the number of classes, with random weights."""

_BACKBONE = "vgg11_bn"

T = TypeVar("T")


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        InputError: if there is none.
    """
    return _choose(BENCHMARKS, name, "--benchmark")()


def network(name: str, num_classes: int) -> nn.Module:
    """The network of that name, with random weights.

    Raises:
        InputError: if there is none.
    """
    return _choose(NETWORKS, name, "--network")(num_classes)


def load_backbone(model: nn.Module, source: str) -> None:
    """Start a network's backbone from trained weights.

    Args:
        model: has a `VGG` as its attribute `vgg`.
        source: `imagenet`, `none`, or the path of a torchvision VGG's state dict.

    Raises:
        InputError: if the weights are not to be had or do not fit.
    """
    if source == "none":
        return
    vgg = model.vgg
    if not isinstance(vgg, VGG):
        raise InputError(f"--backbone_weights {source}: this network has no VGG backbone; give --backbone_weights none")
    state = _imagenet() if source == "imagenet" else checkpoints.load(Path(source))["weights"]
    try:
        vgg.load_torchvision(state)
    except ValueError as error:
        raise InputError(
            f"{source}: not the weights of torchvision's {_BACKBONE}:\n{_shortened(str(error).splitlines())}"
        ) from error


def load_network(path: Path) -> tuple[nn.Module, About]:
    """Build the network that a weights file is of, and load them: ours, or a state dict of a network we know.

    Raises:
        InputError: if it is neither.
    """
    content = checkpoints.load(path)
    about, state = content.get("about"), content["weights"]
    if about is None:
        kind = foreign.identify(state)
        if kind is None:
            some = ", ".join(list(state)[:4])
            raise InputError(
                f"{path}: weights of a network that is not known here (its first names are {some}); "
                f"known are {', '.join(NETWORKS)}"
            )
        about = About(kind.network, kind.num_classes, "cityscapes", IMAGENET_MEAN, IMAGENET_STD, 0, None)
    with torch.device("meta"):
        expected = network(about.network, about.num_classes).state_dict()
    if wrong := mismatches(expected, state):
        raise InputError(f"{path}: these are not the weights of {about.network}:\n{_shortened(wrong)}")
    model = network(about.network, about.num_classes)
    model.load_state_dict(state)
    return model, about


def _imagenet() -> dict[str, torch.Tensor]:
    try:
        return foreign.download_imagenet(_BACKBONE)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"--backbone_weights imagenet: cannot download {foreign.imagenet_url(_BACKBONE)} ({error}). Fetch it "
            "where there is a network and give its path as --backbone_weights FILE, or train from random weights "
            "with --backbone_weights none"
        ) from error


def _choose(table: dict[str, T], name: str, flag: str) -> T:
    if name not in table:
        raise InputError(f"{flag} {name}: there is no such name; choose from {', '.join(table)}")
    return table[name]


def _shortened(lines: list[str], limit: int = 8) -> str:
    more = [f"... and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join(f"  {line}" for line in [*lines[:limit], *more])
