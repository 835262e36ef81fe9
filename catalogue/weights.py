"""Load weights into networks of the catalogue."""

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
        model: an `FCN`, or any network where nothing is to be loaded.
        source: `auto` (`imagenet` for an `FCN`, else `none`), `imagenet`, `none`, or the path of a torchvision
            VGG's state dict.

    Raises:
        InputError: if the weights are not to be had or do not fit.
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
    """Tensors that are made inside have neither memory nor values."""
    with torch.device("meta"), _SkipNormal():
        yield


class _SkipNormal(TorchFunctionMode):
    """Skips `normal_` for tensors without memory: torch would import its compiler for it. See decision 17."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, nn.init.normal_):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


class Loaded(NamedTuple):
    """A network with the weights of a file."""

    network: nn.Module
    about: About
    sha256: str
    """Of the bytes of the file that were loaded, in hexadecimal."""


def load_network(path: Path) -> Loaded:
    """Build the network that a weights file is of, and load them: ours, or a state dict of a network we know.

    Raises:
        InputError: if it is neither.
    """
    about, state, sha256 = _read(path)
    if about is None:
        some = ", ".join(list(state)[:4])
        raise InputError(
            f"{path}: weights of a network that is not known here (its first names are {some}); "
            f"known are {', '.join(NETWORKS)}, and the FCNs of wkentaro/pytorch-fcn. "
            "torchvision's VGG weights are a start for training: train_fcn.py --backbone_weights FILE"
        )
    # Without memory or initial values of its own, a network of ours takes the file's tensors as they are.
    ours = about.network in NETWORKS
    with _without_initial_values() if ours else nullcontext():
        model = network(about.network, about.num_classes, flag=f"{path}: its network")
    expected = model.state_dict()
    if wrong := mismatches(expected, state):
        raise InputError(f"{path}: these are not the weights of {about.network}:\n{_shortened(wrong)}")
    model.load_state_dict({key: value.to(expected[key].dtype) for key, value in state.items()}, assign=ours)
    return Loaded(model, about, sha256)


def load_network_for(wanted: Benchmark, path: Path) -> Loaded:
    """As `load_network`, but weights known to be of another benchmark are refused.

    Raises:
        InputError: also if the outputs are not as many as classes; one more is taken as void.
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
    """Load into a network what fits by name and shape from the weights of another.

    Returns:
        What the weights belong to, as far as it is known, and a message on what was taken and what was not.

    Raises:
        InputError: if nothing fits.
    """
    about, state, _ = _read(path)
    mine = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in mine and fits(mine[key], value)}
    if not fitting:
        raise InputError(
            f"{path}: none of its weights fits this network by name and shape:\n{_shortened(mismatches(mine, state))}\n"
            "torchvision's VGG weights are for --backbone_weights"
        )
    model.load_state_dict(fitting, strict=False)
    left = [key for key in state if key not in fitting]
    own_start = [key for key in mine if key not in fitting]
    return about, (
        f"{path}: took {len(fitting)} of its {len(state)} tensors\n"
        f"  not taken: {', '.join(left) or 'none'}\n  as they were here: {', '.join(own_start) or 'none'}"
    )


def _read(path: Path) -> tuple[About | None, StateDict, str]:
    """A weights file under our names, what it belongs to (None if that cannot be told), and its SHA-256."""
    found = checkpoints.load(path)
    if found.about is not None:
        return found.about, found.weights, found.sha256
    kind = foreign.identify(found.weights, found.arch or path.stem)
    if kind is None:
        return None, found.weights, found.sha256
    mean, std = kind.normalization or (IMAGENET_MEAN, IMAGENET_STD)
    return About(kind.network, kind.num_classes, None, mean, std, 0, None), kind.weights, found.sha256


def _imagenet(variant: str) -> StateDict:
    """The ImageNet weights of a torchvision network; torch verifies what it downloads, but not what it has kept."""
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
    """Weights whose file is named by the start of its SHA-256."""
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
