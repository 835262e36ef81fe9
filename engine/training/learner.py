"""A network that learns: weights, optimiser, and what one step does to them."""

import math
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from engine.devices.device import DTYPES
from engine.devices.fabric import all_sum, precision_of
from engine.devices.process import Process
from engine.kernels.choose import choose_kernels
from engine.kernels.pooling import use_pooling_kernels
from engine.layers import drop_biases
from engine.normalization import Normalize
from engine.training.config import TrainingConfig
from engine.training.ema import ExponentialMovingAverage
from engine.training.losses import build_loss
from engine.training.optimization import (
    build_optimizer,
    choose_trained_parts,
    load_state,
    parameter_groups,
    set_learning_rate,
)


class Learner:
    """A network with its optimiser, on the devices of a job.

    Args:
        fabric: the processes of the job.
        network: (N, 3, H, W) float -> (N, C, H, W) logits.
        normalize: uint8 images -> what the network takes.
        config: how to train.
        void: the train id that is left out.
        class_weights: (C,) what pixels of each class weigh in the loss, None for all alike.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        normalize: Normalize,
        config: TrainingConfig,
        void: int,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        self.fabric, self.config, self.void = fabric, config, void
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.network = network.to(memory_format=torch.channels_last)  # twice as fast on CPUs, faster on tensor cores
        self._frozen = choose_trained_parts(
            network, freeze_backbone=config.freeze_backbone, learn_upsampling=config.learn_upsampling
        )
        self._fusible = getattr(network, "fusible", False) is True
        if self._fusible:
            self._drop_biases(network)
            if choose_kernels("auto", fabric.device, DTYPES[precision_of(fabric)]):
                use_pooling_kernels(network)
        groups = parameter_groups(network, config.weight_decay, config.backbone_rate)
        optimizer = build_optimizer(
            config.optimizer,
            groups,
            config.learning_rate,
            config.momentum,
            fabric.device,
            scaled=precision_of(fabric) == "16-mixed",
        )
        self.model, self.optimizer = fabric.setup(network, optimizer)
        self.ema = ExponentialMovingAverage(network, config.ema, self._frozen) if config.ema else None
        self.evaluation_precision = _evaluation_precision(fabric)
        """Arithmetic of `evaluate`, as Lightning Fabric names it."""
        self.normalize = fabric.to_device(normalize)
        self.loss = fabric.to_device(build_loss(config.loss, void, class_weights, config.label_smoothing))
        self.class_weights = None if class_weights is None else class_weights.to(fabric.device)

    def _drop_biases(self, network: nn.Module) -> None:
        """Drop the biases before batch norms, but not in a frozen backbone, whose numbers stay as they are."""
        whole = self._frozen is None
        for part in [network] if whole else [child for name, child in network.named_children() if name != "vgg"]:
            drop_biases(part)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 images -> (N, C, H, W) float32 logits of the weights that are trained."""
        with self.fabric.autocast():
            logits: torch.Tensor = self.model(self.normalize(images))
        return logits.float()

    def evaluate(self, images: torch.Tensor) -> torch.Tensor:
        """As `forward`, but of the averaged weights if there are any, and in the precision of predictions.

        It goes past Fabric's wrapper, in which processes wait for each other, because their shares may differ in size.
        """
        with Process(self.fabric.device, self.evaluation_precision).autocast():
            logits: torch.Tensor = self._evaluated(self.normalize(images))
        return logits.float()

    @property
    def _evaluated(self) -> nn.Module:
        """The network whose weights are evaluated and kept."""
        return self.network if self.ema is None else self.ema.network

    def train(self, training: bool = True) -> None:
        """Set the mode of dropout and batch norm; all processes evaluate with the statistics of the first."""
        self.model.train(training)
        if self._frozen is not None:
            self._frozen.eval()  # which neither uses nor changes the statistics of batches
        if not training and self.fabric.world_size > 1:
            for buffer in self._evaluated.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        set_learning_rate(self.optimizer, rate)

    def step(self, images: torch.Tensor, masks: torch.Tensor, *, update: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Learn from one batch; the host waits for nothing, so a CUDA graph can do it.

        Args:
            images: (N, 3, H, W), 0 to 255, on the device.
            masks: (N, H, W) int64 train ids, on the device.
            update: whether the weights change now, or gradients only add up.

        Returns:
            The scalar loss and the (N, C, H, W) logits, without gradients.
        """
        with self.fabric.no_backward_sync(self.model, enabled=not update):
            logits = self.forward(images)
            loss = self.loss(logits, masks)
            self.fabric.backward(loss * self._share(masks) / self.config.accumulate)
        if update:
            if self.config.clip_norm:
                # Infinite gradients are no error: fp16's scaler skips such a step, and divergence is found by the loss.
                self.fabric.clip_gradients(
                    self.model, self.optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
                )
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.ema is not None:
                self.ema.update()
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
        """Whether all weights and batch statistics are finite."""
        tensors = [*self.network.state_dict().values()]
        if self.ema is not None:
            tensors += self.ema.network.state_dict().values()
        # The largest number of all is NaN or infinite if one is; it takes a few kernels for all of them together.
        floats = [tensor for tensor in tensors if tensor.is_floating_point()]
        return bool(torch.nn.utils.get_total_norm(floats, math.inf).isfinite())

    def weights(self) -> dict[str, torch.Tensor]:
        """The state dict of the weights that are evaluated."""
        return self._evaluated.state_dict()

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, and the weights that are evaluated, as fields of a run's `State`."""
        return {
            "weights": self.weights(),
            "network": None if self.ema is None else self.network.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Resume from what `state` gave."""
        self.network.load_state_dict(state["weights"] if state["network"] is None else state["network"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self._fusible:
            for network in (self.network, *([] if self.ema is None else [self.ema.network])):
                self._drop_biases(network)
        load_state(self.optimizer.optimizer, state["optimizer"])
        if state["precision"]:  # empty where the run was not in fp16 so far; then a new scaler begins
            self.fabric.strategy.precision.load_state_dict(state["precision"])


def _evaluation_precision(fabric: Fabric) -> str:
    """The precision in which `test_fcn.py` will predict, so that both measure the same; float32 stays float32."""
    training = precision_of(fabric)
    if training == "32-true":
        return training
    return "16-mixed" if fabric.device.type == "cuda" else "32-true"
