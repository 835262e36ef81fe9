"""Weights with what is needed to use them again."""

import pickle
import sys
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import torch

from engine.errors import InputError
from engine.files.atomic import replacing
from engine.normalization import IMAGENET_MEAN, IMAGENET_STD

StateDict = dict[str, torch.Tensor]
Record = TypeVar("Record")

FORMAT_VERSION = 1
"""Version of the files that are written; it rises when older programs cannot use what is written any more.

Files from before there was a version are of version 1. A new field needs no new version: it gets a default, which files
without it take, and older programs ignore it.
"""

_NESTED = ("weights", "model_state_dict", "state_dict", "model")
"""Keys under which programs keep the weights of a checkpoint; the first is ours."""


@dataclass(frozen=True)
class About:
    """What weights belong to."""

    network: str
    num_classes: int
    benchmark: str | None
    """None where the weights do not say."""
    mean: tuple[float, ...]
    """Of the images that the network expects, per channel, 0 to 1."""
    std: tuple[float, ...]
    epoch: int
    """How many epochs it was trained for."""
    miou: float | None
    """On the validation split, 0 to 1; None before the first evaluation."""

    @classmethod
    def untrained(
        cls,
        network: str,
        num_classes: int,
        benchmark: str | None,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> Self:
        """Metadata of weights that were not trained here yet, by default for images normalised as ImageNet's."""
        return cls(network, num_classes, benchmark, mean, std, epoch=0, miou=None)


def save(path: Path, weights: StateDict, about: About, **more: Any) -> None:
    """Write weights, what they belong to, and any state of tensors, numbers and strings beside them."""
    content = {"format_version": FORMAT_VERSION, "about": asdict(about), "weights": weights, **more}
    with replacing(path, durable=True) as file:
        torch.save(content, file)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint of any program onto the CPU; nothing in it is run.

    Returns:
        A dict with the state dict under `weights`; if it is one of ours, an `About` under `about` and the version of
        its format under `format_version`; else the name of the network's class under `arch`, or None if it is not in
        the file.

    Raises:
        InputError: if the file is no checkpoint, its weights are NaN or infinite, or it lacks a field of `About`.
    """
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give a weights file, as {path / 'best.pth'}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; train_fcn.py writes weights to saved/<run>/best.pth") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"{path}: not a PyTorch checkpoint, or damaged ({reason}); "
            "expected a file written by train_fcn.py or by torch.save(network.state_dict(), ...)"
        ) from error
    weights = _weights(content)
    if weights is None:
        raise InputError(f"{path}: a PyTorch file without network weights; expected a state dict: names and tensors")
    _require_numbers(path, weights)
    if isinstance(content.get("about"), dict):
        version = _version(path, content)
        about = fill(About, content["about"], path, version)
        return {"weights": weights, **content, "about": about, "format_version": version}
    arch = content.get("arch")
    return {"weights": weights, "arch": arch if isinstance(arch, str) else None}


def results_name(weights: Path) -> str:
    """What results of weights go by: the name of the run for its best ones, else that of the file."""
    if not (weights.parent / "config.yaml").is_file():
        return weights.stem
    return weights.parent.name if weights.stem == "best" else f"{weights.parent.name}-{weights.stem}"


def _require_numbers(path: Path, weights: StateDict) -> None:
    """Refuse weights with which a network computes nothing."""
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise InputError(
            f"{path}: NaN or infinity in {len(bad)} of its {len(weights)} tensors, first in {bad[0]}; its training "
            "went wrong, or the file is damaged: take an earlier one, or train again with a lower --learning_rate"
        )


def fill(record: type[Record], content: dict[str, Any], path: Path, version: int) -> Record:
    """A dataclass from what a file holds, whichever version of this program wrote it.

    Missing fields take their defaults. Fields that the dataclass does not have are ignored, and named on stderr.

    Args:
        record: the dataclass.
        content: field -> value.
        path: of the file, for messages.
        version: of the file's format.

    Raises:
        InputError: if a field without default is missing.
    """
    known = {field.name: field for field in fields(cast("Any", record))}
    missing = [name for name, field in known.items() if name not in content and field.default is MISSING]
    if missing:
        remedy = (
            f"it is of format version {version}, which a newer version of this program wrote (this one knows up to "
            f"{FORMAT_VERSION}): use that one"
            if version > FORMAT_VERSION
            else "the file is damaged, or another program wrote it: save the state dict alone with torch.save"
        )
        raise InputError(f"{path}: lacks {', '.join(missing)}; {remedy}")
    if unknown := [str(name) for name in content if name not in known]:
        print(f"note: {path}: ignored {', '.join(unknown)}, which this version does not know", file=sys.stderr)
    return record(**{name: value for name, value in content.items() if name in known})


def _version(path: Path, content: dict[str, Any]) -> int:
    """The version of a file's format, with a note on stderr if it is newer than this program."""
    version = content.get("format_version", 1)
    if type(version) is not int:
        raise InputError(f"{path}: its format_version is {version!r}, expected an integer; the file is damaged")
    if version > FORMAT_VERSION:
        print(
            f"note: {path}: of format version {version}, but this version of the program knows up to {FORMAT_VERSION}; "
            "what it knows is used",
            file=sys.stderr,
        )
    return version


def _weights(content: Any) -> StateDict | None:
    """The state dict in a checkpoint, without the `module.` that data-parallel training leaves on names."""
    if not isinstance(content, dict):
        return None
    for key in _NESTED:
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    if not content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        return None
    return {str(key).removeprefix("module."): value for key, value in content.items()}
