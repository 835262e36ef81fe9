"""Learner: a network with its optimiser, and one training step."""

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
    """Network with its optimiser, on the devices of a job.

    Args:
        fabric: processes of the job.
        network: (N, 3, H, W) float -> (N, C, H, W) logits.
        normalize: (N, 3, H, W) uint8 images -> input of the network.
        config: options of the training.
        void: train id that the loss ignores.
        class_weights: (C,) weight of each class in the loss, None for equal weights.
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
        self.network = network.to(memory_format=torch.channels_last)  # 2 x on CPUs, faster on tensor cores
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
        """Precision of `evaluate`, as Lightning Fabric names it."""
        self.normalize = fabric.to_device(normalize)
        self.loss = fabric.to_device(build_loss(config.loss, void, class_weights, config.label_smoothing))
        self.class_weights = None if class_weights is None else class_weights.to(fabric.device)

    def _drop_biases(self, network: nn.Module) -> None:
        """Remove the biases before batch norms, except in a frozen backbone, whose weights must not change."""
        children = [child for name, child in network.named_children() if name != "vgg"]
        for part in [network] if self._frozen is None else children:
            drop_biases(part)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run the trained weights: (N, 3, H, W) uint8 images -> (N, C, H, W) float32 logits."""
        with self.fabric.autocast():
            logits: torch.Tensor = self.model(self.normalize(images))
        return logits.float()

    def evaluate(self, images: torch.Tensor) -> torch.Tensor:
        """Run the evaluated weights, which are the averaged ones if there are any, in the precision of predictions.

        This bypasses Fabric's wrapper, in which processes wait for each other, because processes may have different
        numbers of images.

        Args:
            images: (N, 3, H, W) uint8.

        Returns:
            (N, C, H, W) float32 logits.
        """
        with Process(self.fabric.device, self.evaluation_precision).autocast():
            logits: torch.Tensor = self._evaluated(self.normalize(images))
        return logits.float()

    @property
    def _evaluated(self) -> nn.Module:
        """Network whose weights are evaluated and kept: the moving average if there is one."""
        return self.network if self.ema is None else self.ema.network

    def train(self, training: bool = True) -> None:
        """Set training or evaluation mode; all processes evaluate with the batch statistics of the first."""
        self.model.train(training)
        if self._frozen is not None:
            self._frozen.eval()  # keeps the running statistics of its batch norms
        if not training and self.fabric.world_size > 1:
            for buffer in self._evaluated.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        set_learning_rate(self.optimizer, rate)

    def step(self, images: torch.Tensor, masks: torch.Tensor, *, update: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Train on one batch; the host never waits for the device, so a step can be captured in a CUDA graph.

        Args:
            images: (N, 3, H, W), 0 to 255, on the device.
            masks: (N, H, W) int64 train ids, on the device.
            update: update the weights; otherwise only accumulate gradients.

        Returns:
            The scalar loss and the (N, C, H, W) logits, both detached.
        """
        with self.fabric.no_backward_sync(self.model, enabled=not update):
            logits = self.forward(images)
            loss = self.loss(logits, masks)
            self.fabric.backward(loss * self._loss_weight(masks) / self.config.accumulate)
        if update:
            if self.config.clip_norm:
                # Infinite gradients are not an error: fp16's scaler skips such a step, and the loss shows divergence.
                self.fabric.clip_gradients(
                    self.model, self.optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
                )
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.ema is not None:
                self.ema.update()
        return loss.detach(), logits.detach()

    def _loss_weight(self, masks: torch.Tensor) -> torch.Tensor | float:
        """Weight of this process's loss, so that the mean over processes is a mean over all pixels."""
        if self.fabric.world_size == 1:
            return 1.0
        divisor = self._divisor(masks)
        return divisor * self.fabric.world_size / all_sum(self.fabric, divisor).clamp(min=1)

    def _divisor(self, masks: torch.Tensor) -> torch.Tensor:
        """Divisor of a mean loss: the number of pixels that are not void, or the sum of their class weights."""
        valid = masks != self.void
        if self.class_weights is None:
            return valid.sum().float()
        return (self.class_weights[masks.clamp(max=len(self.class_weights) - 1)] * valid).sum()

    def is_finite(self) -> bool:
        """Whether all weights and batch statistics are finite."""
        tensors = [*self.network.state_dict().values()]
        if self.ema is not None:
            tensors += self.ema.network.state_dict().values()
        # The maximum over all tensors is NaN or infinite if one value is; it takes a few kernels for all tensors.
        floats = [tensor for tensor in tensors if tensor.is_floating_point()]
        return bool(torch.nn.utils.get_total_norm(floats, math.inf).isfinite())

    def weights(self) -> dict[str, torch.Tensor]:
        """State dict of the evaluated weights."""
        return self._evaluated.state_dict()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, and the evaluated weights, as fields of `State`."""
        return {
            "weights": self.weights(),
            "network": None if self.ema is None else self.network.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.network.load_state_dict(state["weights"] if state["network"] is None else state["network"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self._fusible:
            for network in (self.network, *([] if self.ema is None else [self.ema.network])):
                self._drop_biases(network)
        load_state(self.optimizer.optimizer, state["optimizer"])
        if state["precision"]:  # empty if the run was not in fp16 so far; then a new scaler is used
            self.fabric.strategy.precision.load_state_dict(state["precision"])


def _evaluation_precision(fabric: Fabric) -> str:
    """Precision in which `test_fcn.py` predicts by default, so that scores are the same; float32 stays float32."""
    training = precision_of(fabric)
    if training == "32-true":
        return training
    return "16-mixed" if fabric.device.type == "cuda" else "32-true"
