"""Training state: the content of last.pth, from which a training resumes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine import checkpoints
from engine.checkpoints import About, StateDict
from engine.errors import InputError
from engine.training.epoch_log import is_row
from engine.training.history import Row


@dataclass(frozen=True)
class State:
    """Everything that a training resumes from.

    A new field needs a default that means the same as a file without the field (docs/training.md).
    """

    weights: StateDict
    """Weights that are evaluated and kept."""
    about: About
    """Metadata of the evaluated weights."""
    network: StateDict | None
    """Trained weights, if their moving average is evaluated; otherwise None."""
    ema: dict[str, Any] | None
    """State of the moving average; None if there is none."""
    optimizer: dict[str, Any]
    """State dict of the optimiser."""
    precision: dict[str, Any]
    """State dict of the gradient scaler of fp16; empty in other precisions."""
    steps_done: int
    """Number of steps done in the epoch after `about.epoch`."""
    epoch_metrics: dict[str, torch.Tensor]
    """Losses and confusion counts of the steps done."""
    row: Row | None
    """History row of the epoch `about.epoch`, if the state was saved at its end; otherwise None."""
    best: Row | None
    """History row of the best epoch so far; None if no epoch was validated."""
    data: dict[str, Any] | None = None
    """Fingerprint of the data (`data_state.fingerprint`); None in files of versions that did not save it."""


_RENAMED = {"average": "ema", "place": "steps_done", "tally": "epoch_metrics"}
"""Name of a field in files of earlier versions -> its name in `State`."""


def read_state(path: Path) -> State:
    """Read a state from a file.

    Raises:
        InputError: if the file is damaged, is not a training state, or needs a newer version of this program.
    """
    remedy = _remedy(path)
    try:
        found = checkpoints.load(path)
        content = {_RENAMED.get(name, name): value for name, value in found.more.items()}
        for part in (content.get("network"), _network_of(content.get("ema"))):
            if isinstance(part, dict) and (weights := checkpoints.find_weights(part)) is not None:
                checkpoints.require_usable(path, weights)
    except InputError as error:
        raise InputError(*(f"{message}. To resume, {remedy}" for message in error.messages)) from error
    content["weights"] = found.weights
    content |= {} if found.about is None else {"about": found.about}
    state = checkpoints.fill(
        State, content, path, found.version, remedy=f"the file is damaged, or not a training state; {remedy}"
    )
    wrong = [name for name, is_right in _EXPECTED.items() if not is_right(getattr(state, name))]
    if wrong:
        raise InputError(f"{path}: invalid {', '.join(wrong)}; the file is damaged, or not a training state; {remedy}")
    return state


def require_step(path: Path, step: int, steps: int) -> None:
    """Check that an epoch has at least `step` steps.

    Raises:
        InputError: if it has fewer.
    """
    if step > steps:
        raise InputError(
            f"{path}: saved after {step} steps of an epoch that has {steps}; there are fewer images than before, or "
            f"the file is damaged; {_remedy(path)}"
        )


@contextmanager
def reporting_mismatch(path: Path) -> Iterator[None]:
    """Report errors from loading the state of another network, optimiser or number of classes as `InputError`.

    Raises:
        InputError: instead of such an error.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(
            f"{path}: does not fit this network and its optimiser ({reason}); the file belongs to another run, or "
            f"is damaged; {_remedy(path)}"
        ) from error


def _remedy(path: Path) -> str:
    return (
        f"restore {path.name} from a backup, or start a new run from the best weights with --initial_weights "
        f"{path.with_name('best.pth')} and another --name"
    )


def _network_of(ema: Any) -> Any:
    return ema.get("network") if isinstance(ema, dict) else None


def _is_ema(value: Any) -> bool:
    return value is None or (isinstance(_network_of(value), dict) and isinstance(value.get("begun"), bool))


def _is_optimizer(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("state"), dict):
        return False
    groups = value.get("param_groups")
    return isinstance(groups, list) and all(
        isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups
    )


def _are_epoch_metrics(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"losses", "counts"}:
        return False
    losses, counts = value["losses"], value["counts"]
    return (
        all(isinstance(part, torch.Tensor) and part.layout == torch.strided for part in (losses, counts))
        and (losses.shape, losses.dtype) == ((2,), torch.float64)
        and (counts.ndim, counts.dtype) == (2, torch.int64)
        and counts.shape[1] == counts.shape[0] + 1
    )


_OF_THE_BEST = ("val_miou", "val_mean_dice", "val_pixel_accuracy", "val_mean_pixel_accuracy", "val_iou", "train_iou")


def _is_best(value: Any) -> bool:
    return value is None or (is_row(value) and all(name in value for name in _OF_THE_BEST))


def _is_data(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    return (
        type(value.get("steps")) is int and value["steps"] > 0 and all(map(_is_split, map(value.get, ("train", "val"))))
    )


def _is_split(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and type(value.get("images")) is int
        and all(isinstance(value.get(name), str) for name in ("names", "files"))
    )


_EXPECTED: dict[str, Callable[[Any], bool]] = {
    "network": lambda value: value is None or isinstance(value, dict),
    "ema": _is_ema,
    "optimizer": _is_optimizer,
    "precision": lambda value: isinstance(value, dict),
    "steps_done": lambda value: type(value) is int and 0 <= value < 1 << 31,
    "epoch_metrics": _are_epoch_metrics,
    "row": lambda value: value is None or is_row(value),
    "best": _is_best,
    "data": _is_data,
}
"""Check of each field of `State` by name; the other fields are checked when the file is loaded."""
