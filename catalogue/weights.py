"""Loading of weights into networks of the catalogue."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from catalogue import NETWORKS, network
from engine import checkpoints
from engine.benchmark import Benchmark
from engine.checkpoints import About, StateDict
from engine.errors import InputError
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD
from fcn import weights as foreign
from fcn.fcn import FCN
from fcn.weights import fits, mismatches


def load_backbone(model: nn.Module, source: str) -> None:
    """Start a network's backbone from trained weights.

    Args:
        model: an `FCN`; with `none` or `auto` any network.
        source: `auto` (`imagenet` for an `FCN`, otherwise `none`), `imagenet`, `none`, or the path of a torchvision
            VGG's state dict.

    Raises:
        InputError: if the weights are not available or do not fit.
    """
    if source == "none" or (source == "auto" and not isinstance(model, FCN)):
        return
    if not isinstance(model, FCN):
        raise InputError(f"--backbone_weights {source}: this network has no VGG backbone; give --backbone_weights none")
    variant = model.vgg.variant
    state = _imagenet(variant) if source in {"auto", "imagenet"} else checkpoints.load(Path(source)).weights
    try:
        model.load_torchvision(state)
    except ValueError as error:
        raise InputError(
            f"{source}: not the weights of torchvision's {variant}:\n{_shortened(str(error).splitlines())}"
        ) from error


@contextmanager
def _without_initial_values() -> Iterator[None]:
    """Context in which new tensors have neither memory nor values (meta device)."""
    with torch.device("meta"), _SkipNormal():
        yield


class _SkipNormal(TorchFunctionMode):
    """Mode that skips `normal_` on meta tensors, because torch imports its compiler for it (docs/decisions/0017)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, nn.init.normal_):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


class Loaded(NamedTuple):
    """A network with the weights of a file."""

    network: nn.Module
    """Network with its weights."""
    about: About
    """Metadata of the weights."""
    sha256: str
    """SHA-256 of the loaded file in hexadecimal."""


def load_network(path: Path) -> Loaded:
    """Build the network of a weights file and load the weights: our own format, or a state dict of a known network.

    Raises:
        InputError: if the file is neither.
    """
    about, state, sha256 = _read(path)
    if about is None:
        some = ", ".join(list(state)[:4])
        raise InputError(
            f"{path}: weights of an unknown network (its first names are {some}); "
            f"known networks are {', '.join(NETWORKS)}, and the FCNs of wkentaro/pytorch-fcn. "
            "torchvision's VGG weights are a start for training: train_fcn.py --backbone_weights FILE"
        )
    # Networks of the catalogue are built without memory, and take the tensors of the file without a copy.
    ours = about.network in NETWORKS
    with _without_initial_values() if ours else nullcontext():
        model = network(about.network, about.num_classes, flag=f"{path}: its network")
    expected = model.state_dict()
    if wrong := mismatches(expected, state):
        raise InputError(f"{path}: these are not the weights of {about.network}:\n{_shortened(wrong)}")
    model.load_state_dict({key: value.to(expected[key].dtype) for key, value in state.items()}, assign=ours)
    return Loaded(model, about, sha256)


def load_network_for(wanted: Benchmark, path: Path) -> Loaded:
    """Load a network as `load_network` does, and refuse weights of another benchmark.

    Raises:
        InputError: also if the number of outputs is neither that of the classes, nor one more for void.
    """
    loaded = load_network(path)
    about = loaded.about
    classes = len(wanted.classes)
    if about.benchmark not in (None, wanted.name):
        raise InputError(f"{path}: trained on {about.benchmark}; give --benchmark {about.benchmark}")
    if about.num_classes not in (classes, classes + 1):
        raise InputError(
            f"{path}: a network with {about.num_classes} outputs, expected {classes} for {wanted.name} "
            f"(or {classes + 1}, with void)"
        )
    return loaded


def transfer(model: nn.Module, path: Path) -> tuple[About | None, str]:
    """Load the tensors of a weights file that fit a network by name and shape.

    Returns:
        The metadata of the weights, if known, and a message with the names of loaded and skipped tensors.

    Raises:
        InputError: if no tensor fits.
    """
    about, state, _ = _read(path)
    mine = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in mine and fits(mine[key], value)}
    if not fitting:
        raise InputError(
            f"{path}: none of its tensors fits this network by name and shape:\n{_shortened(mismatches(mine, state))}\n"
            "torchvision's VGG weights are for --backbone_weights"
        )
    model.load_state_dict(fitting, strict=False)
    skipped = [key for key in state if key not in fitting]
    unchanged = [key for key in mine if key not in fitting]
    return about, (
        f"{path}: loaded {len(fitting)} of its {len(state)} tensors\n"
        f"  skipped: {', '.join(skipped) or 'none'}\n  unchanged in the network: {', '.join(unchanged) or 'none'}"
    )


def _read(path: Path) -> tuple[About | None, StateDict, str]:
    """The metadata of a weights file (None if its network is unknown), its weights under our names, and its SHA-256."""
    found = checkpoints.load(path)
    if found.about is not None:
        return found.about, found.weights, found.sha256
    kind = foreign.identify(found.weights, found.arch or path.stem)
    if kind is None:
        return None, found.weights, found.sha256
    mean, std = kind.normalization or (IMAGENET_MEAN, IMAGENET_STD)
    return About(kind.network, kind.num_classes, None, mean, std, 0, None), kind.weights, found.sha256


def _imagenet(variant: str) -> StateDict:
    """The ImageNet weights of a torchvision network; torch verifies its downloads, but not the files in its cache."""
    cached = foreign.cached_imagenet(variant)
    if cached.is_file():
        return _verified(cached)
    try:
        return foreign.download_imagenet(variant)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"--backbone_weights imagenet: cannot download {foreign.imagenet_url(variant)} ({error}). Fetch it "
            "where there is a network and give its path as --backbone_weights FILE, or train from random weights "
            "with --backbone_weights none"
        ) from error


def _verified(path: Path) -> StateDict:
    """The weights of a file whose name ends with the start of its SHA-256, which is verified."""
    expected, remedy = path.stem.rpartition("-")[2], "remove it to download it again"
    try:
        found = checkpoints.load(path)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from error
    if not found.sha256.startswith(expected):
        raise InputError(
            f"{path}: damaged, its SHA-256 begins with {found.sha256[: len(expected)]}, expected {expected}; {remedy}"
        )
    return found.weights


def _shortened(lines: list[str], limit: int = 8) -> str:
    more = [f"... and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join(f"  {line}" for line in [*lines[:limit], *more])
