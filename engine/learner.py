"""A network that learns: weights, optimiser, and what one step does to them."""

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from engine.evaluation import all_sum
from engine.losses import build_loss
from engine.normalization import Normalize
from engine.optimizers import OPTIMIZERS, parameter_groups, set_rate
from engine.recipe import Recipe


class Learner:
    """A network with its optimiser, on the devices of a job.

    Args:
        fabric: the processes of the job.
        network: (N, 3, H, W) float -> (N, C, H, W) logits.
        normalize: uint8 images -> what the network takes.
        recipe: how to train.
        void: the train id that is left out.
        class_weights: (C,) what pixels of each class weigh in the loss, None for all alike.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        normalize: Normalize,
        recipe: Recipe,
        void: int,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        self.fabric, self.recipe, self.void = fabric, recipe, void
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.network = network.to(memory_format=torch.channels_last)  # twice as fast on CPUs, faster on tensor cores
        groups = parameter_groups(network, recipe.weight_decay, recipe.backbone_rate)
        optimizer = OPTIMIZERS[recipe.optimizer](groups, recipe.learning_rate, recipe.momentum)
        self.model, self.optimizer = fabric.setup(network, optimizer)
        self.average = _average(network, recipe.ema) if recipe.ema else None
        self.normalize = fabric.to_device(normalize)
        self.loss = fabric.to_device(build_loss(recipe.loss, void, class_weights))
        self.class_weights = None if class_weights is None else class_weights.to(fabric.device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 images -> (N, C, H, W) logits; in evaluation, of the averaged weights if there are any."""
        images = self.normalize(images)
        with self.fabric.autocast():
            if self.model.training:
                logits: torch.Tensor = self.model(images)
            else:  # past the wrapper, in which processes wait for each other, whose shares may differ in size
                logits = (self.average or self.network)(images)
        return logits.float()

    def train(self, training: bool = True) -> None:
        """Set the mode of dropout and batch norm; all processes evaluate with the statistics of the first."""
        self.model.train(training)
        if self.average is not None:
            self.average.eval()
        if not training and self.fabric.world_size > 1:
            for buffer in (self.average or self.network).buffers():
                torch.distributed.broadcast(buffer, src=0)

    def step(
        self, images: torch.Tensor, masks: torch.Tensor, rate: float, *, update: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Learn from one batch.

        Args:
            images: (N, 3, H, W) uint8, on the device.
            masks: (N, H, W) int64 train ids, on the device.
            rate: the learning rate.
            update: whether the weights change now, or gradients only add up.

        Returns:
            The scalar loss and the (N, C, H, W) logits, without gradients.
        """
        set_rate(self.optimizer, rate)
        with self.fabric.no_backward_sync(self.model, enabled=not update):
            logits = self.forward(images)
            loss = self.loss(logits, masks)
            self.fabric.backward(loss * self._share(masks) / self.recipe.accumulate)
        if update:
            if self.recipe.clip_norm:
                self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.recipe.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.average is not None:
                self.average.update_parameters(self.network)
        return loss.detach(), logits.detach()

    def _share(self, masks: torch.Tensor) -> torch.Tensor | float:
        """What this process's loss weighs, so that several processes average over pixels as one would."""
        if self.fabric.world_size == 1:
            return 1.0
        valid = self._valid(masks)
        return valid * self.fabric.world_size / all_sum(self.fabric, valid).clamp(min=1)

    def _valid(self, masks: torch.Tensor) -> torch.Tensor:
        """What a loss that is a mean divides by: the pixels that are not void, or their weights."""
        valid = masks != self.void
        if self.class_weights is None:
            return valid.sum().float()
        return (self.class_weights[masks.clamp(max=len(self.class_weights) - 1)] * valid).sum()

    def is_finite(self) -> bool:
        """Whether all weights and batch statistics are numbers."""
        tensors = [*self.network.state_dict().values()]
        if self.average is not None:
            tensors += self.average.module.state_dict().values()
        return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())

    def weights(self) -> dict[str, torch.Tensor]:
        """The state dict of the weights that are evaluated."""
        network = self.network if self.average is None else self.average.module
        return network.state_dict()

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, beside the weights that are evaluated."""
        return {
            "network": None if self.average is None else self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def load(self, weights: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        """Go on from what `weights` and `state` gave."""
        self.network.load_state_dict(weights if state["network"] is None else state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])


def _average(network: nn.Module, decay: float) -> AveragedModel:
    """The exponential average of a network's weights and batch statistics (Tarvainen and Valpola 2017)."""
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
