"""What an epoch of training has come to so far; it can be saved in the middle and taken up again."""

from typing import Any

import torch
from lightning_fabric import Fabric

from engine.devices import all_sum
from engine.metrics import ConfusionMatrix, Metrics


class Tally:
    """Losses and confusion matrix, added up step by step without waiting for the device.

    Args:
        num_classes: of the confusion matrix.
        void: the train id that is left out.
        device: where losses and masks are.
        every: pixels of every n-th step are counted; losses of all.
    """

    def __init__(self, num_classes: int, void: int, device: torch.device, every: int = 1) -> None:
        self.matrix = ConfusionMatrix(num_classes, void, device)
        self.losses = torch.zeros(2, dtype=torch.float64, device=device)
        """Sum over steps, and number of steps."""
        self._every = every

    def add(self, loss: torch.Tensor, logits: torch.Tensor, mask: torch.Tensor, place: int = 0) -> None:
        """Take in a step: its scalar loss, (N, C, H, W) logits and (N, H, W) train ids; `place` is its number."""
        self.losses += torch.stack([loss.double(), torch.ones_like(loss, dtype=torch.float64)])
        if place % self._every == 0:
            self.matrix.update(logits.argmax(1), mask)

    def state(self, fabric: Fabric) -> dict[str, torch.Tensor]:
        """The sums over all processes, on the CPU."""
        return {"losses": all_sum(fabric, self.losses).cpu(), "counts": all_sum(fabric, self.matrix.counts).cpu()}

    def load(self, fabric: Fabric, state: dict[str, Any]) -> None:
        """Resume from saved sums; the first process takes them up for all."""
        if fabric.is_global_zero:
            self.losses += state["losses"].to(self.losses.device)
            self.matrix.counts += state["counts"].to(self.losses.device)

    def reduce(self, fabric: Fabric) -> tuple[float, Metrics]:
        """Mean loss and metrics over all processes."""
        state = self.state(fabric)
        self.matrix.counts = state["counts"]
        return (state["losses"][0] / state["losses"][1]).item(), self.matrix.reduce()
