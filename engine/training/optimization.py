"""Optimisers and learning-rate schedules.

Weight decay acts on weights, not on biases and the scales of normalisation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from engine.errors import InputError

Groups = list[dict[str, Any]]
"""Parameter groups of an optimiser."""

RATE_FACTOR = "rate_factor"
"""Key of a parameter group for its factor on the learning rate of the schedule."""


def choose_trained_parts(network: nn.Module, *, freeze_backbone: bool, learn_upsampling: bool) -> nn.Module | None:
    """Set `requires_grad` of the parameters of a network.

    Args:
        network: network whose attribute `vgg` is the backbone and `upsampling` the last upsampling, if it has them.
        freeze_backbone: do not train the backbone.
        learn_upsampling: train the last upsampling, which is fixed to bilinear in some networks.

    Returns:
        The frozen backbone, None if nothing is frozen.

    Raises:
        InputError: if the network has no such part.
    """
    if learn_upsampling:
        _part(network, "upsampling", "--learn_upsampling: this network has no last upsampling").requires_grad_(True)
    if not freeze_backbone:
        return None
    return _part(network, "vgg", "--freeze_backbone: this network has no backbone").requires_grad_(False)


def _part(network: nn.Module, name: str, problem: str) -> nn.Module:
    part = getattr(network, name, None)
    if not isinstance(part, nn.Module):
        raise InputError(f"{problem} (a module named {name}); leave out the option, or choose one of the FCNs")
    return part


def parameter_groups(network: nn.Module, weight_decay: float, backbone_rate: float = 1.0) -> Groups:
    """Parameter groups: with and without weight decay, of the backbone and of the rest of the network.

    Args:
        network: network whose attribute `vgg` is the backbone, if it has one.
        weight_decay: weight decay of weights; biases and normalisation have none.
        backbone_rate: factor on the learning rate of the backbone.
    """
    groups: Groups = []
    for is_backbone, rate in ((False, 1.0), (True, backbone_rate)):
        parameters = [
            parameter
            for name, parameter in network.named_parameters()
            if parameter.requires_grad and name.startswith("vgg.") == is_backbone
        ]
        for decays in (True, False):
            members = [parameter for parameter in parameters if (parameter.ndim > 1) == decays]
            if members:
                groups.append({"params": members, "weight_decay": weight_decay if decays else 0.0, RATE_FACTOR: rate})
    return groups


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group to `rate` times the factor of the group."""
    for group in optimizer.param_groups:
        value = rate * group.get(RATE_FACTOR, 1.0)
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(value)  # in place, because a CUDA graph reads this tensor
        else:
            group["lr"] = value


def nesterov_sgd(groups: Groups, momentum: float, options: dict[str, Any]) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or without momentum if it is 0."""
    return torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, **options)


def caffe_sgd(groups: Groups, momentum: float, options: dict[str, Any]) -> torch.optim.Optimizer:
    """SGD with plain momentum and twice the learning rate for biases (Long et al. 2015, section 4.3)."""
    for group in groups:
        if all(parameter.ndim <= 1 for parameter in group["params"]):
            group[RATE_FACTOR] *= 2.0
    return torch.optim.SGD(groups, momentum=momentum, **options)


Builder = Callable[[Groups, float, dict[str, Any]], torch.optim.Optimizer]
"""Builder of an optimiser from parameter groups, momentum and further options of torch's optimisers."""

OPTIMIZERS: dict[str, Builder] = {
    "adamw": lambda groups, _, options: torch.optim.AdamW(groups, **options),
    # Weight decay is an L2 term of the loss.
    "adam": lambda groups, _, options: torch.optim.Adam(groups, **options),
    "sgd": nesterov_sgd,
    "caffe_sgd": caffe_sgd,
}
"""Builders of optimisers by name."""
_CAPTURABLE = ("adamw", "adam")
"""Optimisers that count steps, which must happen on the device for a CUDA graph (`capturable`)."""


def build_optimizer(
    name: str, groups: Groups, rate: float, momentum: float, device: torch.device, *, scaled: bool = False
) -> torch.optim.Optimizer:
    """Build the optimiser of that name.

    On a GPU, one fused kernel updates all parameters and the learning rate is a tensor, so that the update can be part
    of a CUDA graph.

    Args:
        name: name of one of `OPTIMIZERS`.
        groups: groups from `parameter_groups`.
        rate: learning rate.
        momentum: momentum of sgd and caffe_sgd.
        device: device of the parameters.
        scaled: gradients are scaled for fp16. Then the optimiser is not fused, because Fabric cannot clip gradients
            that a fused optimiser unscales itself.
    """
    options: dict[str, Any] = {"lr": rate}
    if device.type == "cuda" and not scaled:
        options |= {"lr": torch.tensor(rate, device=device), "fused": True}
        options |= {"capturable": True} if name in _CAPTURABLE else {}
    optimizer = OPTIMIZERS[name](groups, momentum, options)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"] = group["lr"].clone()  # otherwise all groups would share one tensor
    return optimizer


def load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state dict of an optimiser of the same kind, perhaps saved on another device.

    Only moments and step counts are loaded; hyperparameters are those of `optimizer`.

    Raises:
        InputError: if its parameter groups have other sizes.
        ValueError: if its state does not fit the parameters or this kind of optimiser.
    """
    groups = optimizer.param_groups
    sizes, saved_sizes = ([len(group["params"]) for group in some] for some in (groups, state["param_groups"]))
    if sizes != saved_sizes:
        raise InputError(
            f"last.pth: its optimiser has parameters in groups of {saved_sizes}, expected {sizes}, so it belongs to "
            "other settings or another version of this program; restore the right file, or start a new run with "
            "another --name"
        )
    ours = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    theirs = [{"params": saved["params"], **mine} for saved, mine in zip(state["param_groups"], ours, strict=True)]
    optimizer.load_state_dict({"state": state["state"], "param_groups": theirs})
    for group, mine in zip(optimizer.param_groups, ours, strict=True):
        group |= mine  # the original tensors, because loading replaced them by copies
    _require_moments(optimizer)


def _require_moments(optimizer: torch.optim.Optimizer) -> None:
    """Check the loaded state of each parameter; torch would notice an error only in a step, or never."""
    adam = isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW)
    parameters = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for parameter, moments in optimizer.state.items():
        if parameter not in parameters or not isinstance(moments, dict):
            raise ValueError("the state does not belong to the parameters of the optimiser")
        kept = ", ".join(sorted(map(str, moments)))
        if kept not in ({"exp_avg, exp_avg_sq, step"} if adam else {"momentum_buffer", ""}):
            raise ValueError(
                f"the state of a parameter has {kept or 'no entries'}, like that of another kind of optimiser"
            )
        for name, value in moments.items():
            shape = torch.Size() if name == "step" else parameter.shape
            if (value is None and not adam) or (isinstance(value, torch.Tensor) and value.shape == shape):
                continue
            raise ValueError(f"{name} of a parameter does not have the shape {tuple(shape)}")


@dataclass(frozen=True)
class Progress:
    """Progress of a training, from which schedules compute the learning rate."""

    step: int
    """Steps done since the first epoch."""
    steps_per_epoch: int
    """Number of steps per epoch."""
    epochs: int
    """Number of epochs of the whole training."""

    @property
    def done(self) -> float:
        """Fraction of the training that is done, 0 to 1."""
        return self.step / max(1, self.steps_per_epoch * self.epochs)


def poly(progress: Progress) -> float:
    """Polynomial decay (1 - done)^0.9, after a linear warm-up over 2 % (Chen et al. 2017, DeepLab, section 3)."""
    warm_up = 0.02
    rise = min(1.0, (progress.done + 1e-3) / warm_up)
    return float(rise * (1 - progress.done) ** 0.9)


def step(progress: Progress) -> float:
    """Step decay: a factor of 0.1 every 10 epochs."""
    return float(0.1 ** (progress.step // progress.steps_per_epoch // 10))


def cosine(progress: Progress) -> float:
    """Cosine annealing from 1 to 0 (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress.done))


def one_cycle(progress: Progress) -> float:
    """One cycle: half a cosine up over the first 30 %, then half a cosine down to 0.

    Smith and Topin 2018, arXiv:1708.07120.
    """
    rise, start = 0.3, 0.04
    if progress.done < rise:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * progress.done / rise))
    return 0.5 * (1 + math.cos(math.pi * (progress.done - rise) / (1 - rise)))


def constant(progress: Progress) -> float:
    """Constant learning rate: a factor of 1."""
    return 1.0


SCHEDULES: dict[str, Callable[[Progress], float]] = {
    "poly": poly,
    "step": step,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "constant": constant,
}
"""Learning-rate schedules by name: progress -> factor on the peak learning rate."""
