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

RATE_FACTOR = "rate_factor"
"""Key of a parameter group: factor on the learning rate of the schedule."""


def choose_trained_parts(network: nn.Module, *, freeze_backbone: bool, learn_upsampling: bool) -> nn.Module | None:
    """Mark which parameters of a network are trained.

    Args:
        network: its attribute `vgg`, if it has one, is the backbone, and `upsampling` the last upsampling.
        freeze_backbone: keep the backbone as it is.
        learn_upsampling: train the last upsampling, which some networks keep bilinear.

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


def _part(network: nn.Module, name: str, fault: str) -> nn.Module:
    part = getattr(network, name, None)
    if not isinstance(part, nn.Module):
        raise InputError(f"{fault}, that is, no part called {name}; leave the option out, or choose one of the FCNs")
    return part


def parameter_groups(network: nn.Module, weight_decay: float, backbone_rate: float = 1.0) -> Groups:
    """The parameters to train: those with decay and those without, of the backbone and of the rest.

    Args:
        network: its attribute `vgg`, if it has one, is the backbone.
        weight_decay: of the weights.
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
            own = [parameter for parameter in parameters if (parameter.ndim > 1) == decays]
            if own:
                groups.append({"params": own, "weight_decay": weight_decay if decays else 0.0, RATE_FACTOR: rate})
    return groups


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of a learning rate; states from before there was a factor have none."""
    for group in optimizer.param_groups:
        value = rate * group.get(RATE_FACTOR, 1.0)
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(value)  # in place: a CUDA graph reads it there
        else:
            group["lr"] = value


def nesterov_sgd(groups: Groups, momentum: float, options: dict[str, Any]) -> torch.optim.Optimizer:
    """SGD with Nesterov's momentum, or none."""
    return torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, **options)


def caffe_sgd(groups: Groups, momentum: float, options: dict[str, Any]) -> torch.optim.Optimizer:
    """SGD as the authors of FCN trained: plain momentum, biases at twice the rate (Long et al. 2015, section 4.3)."""
    for group in groups:
        if all(parameter.ndim <= 1 for parameter in group["params"]):
            group[RATE_FACTOR] *= 2.0
    return torch.optim.SGD(groups, momentum=momentum, **options)


Builder = Callable[[Groups, float, dict[str, Any]], torch.optim.Optimizer]
"""From the groups of parameters, the momentum, and further options of torch's optimisers."""

OPTIMIZERS: dict[str, Builder] = {
    "adamw": lambda groups, _, options: torch.optim.AdamW(groups, **options),
    # Its weight decay is an L2 term of the loss.
    "adam": lambda groups, _, options: torch.optim.Adam(groups, **options),
    "sgd": nesterov_sgd,
    "caffe_sgd": caffe_sgd,
}
"""Optimiser by name."""
_CAPTURABLE = ("adamw", "adam")
"""Those that count their steps, which a CUDA graph needs to be done on the device."""


def build_optimizer(
    name: str, groups: Groups, rate: float, momentum: float, device: torch.device, *, scaled: bool = False
) -> torch.optim.Optimizer:
    """The optimiser of that name for parameters on a device.

    On a GPU all parameters are updated by one fused kernel, and the learning rate is a tensor there, so that the update
    can be part of a CUDA graph.

    Args:
        name: one of `OPTIMIZERS`.
        groups: of `parameter_groups`.
        rate: the learning rate.
        momentum: of the SGDs.
        device: of the parameters.
        scaled: whether gradients come scaled, for fp16. Then nothing is fused, because Fabric clips no gradients that a
            fused optimiser has still to unscale.
    """
    options: dict[str, Any] = {"lr": rate}
    if device.type == "cuda" and not scaled:
        options |= {"lr": torch.tensor(rate, device=device), "fused": True}
        options |= {"capturable": True} if name in _CAPTURABLE else {}
    optimizer = OPTIMIZERS[name](groups, momentum, options)
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"] = group["lr"].clone()  # else all groups would share one tensor
    return optimizer


def load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Resume from the state dict of an optimiser of the same kind, which may have run on another device.

    Only what was learned is taken from it: the settings of a run are the same at each start.

    Raises:
        InputError: if it is of other parameters.
        ValueError: if what it holds of a parameter is not what this kind of optimiser keeps.
    """
    groups = optimizer.param_groups
    sizes, saved_sizes = ([len(group["params"]) for group in some] for some in (groups, state["param_groups"]))
    if sizes != saved_sizes:
        raise InputError(
            f"last.pth: its optimiser has parameters in groups of {saved_sizes}, expected {sizes}, so it is of other "
            "settings or of another version of this program; put the right one back, or begin anew under another --name"
        )
    ours = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    theirs = [{"params": saved["params"], **mine} for saved, mine in zip(state["param_groups"], ours, strict=True)]
    optimizer.load_state_dict({"state": state["state"], "param_groups": theirs})
    for group, mine in zip(optimizer.param_groups, ours, strict=True):
        group |= mine  # the very tensors, which loading has copied
    _require_moments(optimizer)


def _require_moments(optimizer: torch.optim.Optimizer) -> None:
    """Check what an optimiser has been given of each parameter; torch finds out in a step, or never."""
    adam = isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW)
    parameters = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for parameter, moments in optimizer.state.items():
        if parameter not in parameters or not isinstance(moments, dict):
            raise ValueError("the optimiser's state is not of its parameters")
        kept = ", ".join(sorted(map(str, moments)))
        if kept not in ({"exp_avg, exp_avg_sq, step"} if adam else {"momentum_buffer", ""}):
            raise ValueError(f"the optimiser keeps {kept or 'nothing'} of a parameter, which is another kind's")
        for name, value in moments.items():
            shape = torch.Size() if name == "step" else parameter.shape
            if (value is None and not adam) or (isinstance(value, torch.Tensor) and value.shape == shape):
                continue
            raise ValueError(f"the optimiser's {name} is not of the shape {tuple(shape)}")


@dataclass(frozen=True)
class Progress:
    """Where training stands."""

    step: int
    """Steps done."""
    steps_per_epoch: int
    epochs: int
    """To be trained in all."""

    @property
    def done(self) -> float:
        """From 0 to 1."""
        return self.step / max(1, self.steps_per_epoch * self.epochs)


def poly(progress: Progress) -> float:
    """(1 - done)^0.9, after a linear warm-up over the first 2 % (Chen et al. 2017, DeepLab, section 3)."""
    warm_up = 0.02
    rise = min(1.0, (progress.done + 1e-3) / warm_up)
    return float(rise * (1 - progress.done) ** 0.9)


def step(progress: Progress) -> float:
    """A tenth every 10 epochs."""
    return float(0.1 ** (progress.step // progress.steps_per_epoch // 10))


def cosine(progress: Progress) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress.done))


def one_cycle(progress: Progress) -> float:
    """Half a cosine up over the first 30 %, then half a cosine down to 0 (Smith and Topin 2018, arXiv:1708.07120)."""
    rise, start = 0.3, 0.04
    if progress.done < rise:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * progress.done / rise))
    return 0.5 * (1 + math.cos(math.pi * (progress.done - rise) / (1 - rise)))


def constant(progress: Progress) -> float:
    """Always 1."""
    return 1.0


SCHEDULES: dict[str, Callable[[Progress], float]] = {
    "poly": poly,
    "step": step,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "constant": constant,
}
"""Factor on the learning rate by name."""
