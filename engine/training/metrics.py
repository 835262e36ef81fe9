"""Metrics of semantic segmentation, counted in a confusion matrix, and the losses and metrics of an epoch so far."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from engine.arrays import Float64Array
from engine.confusion import ClassScores, occurring
from engine.devices.fabric import all_sum


@dataclass(frozen=True)
class Metrics:
    """What a confusion matrix says, as fractions from 0 to 1; void pixels are left out.

    The means are over the classes that occur: nan if none does.
    """

    miou: float
    """Mean over classes of intersection over union."""
    mean_dice: float
    """Mean over classes of 2 x intersection over the sum of both sizes (the F1 score)."""
    mean_pixel_accuracy: float
    """Mean over classes of the share of its pixels that were found (recall)."""
    pixel_accuracy: float
    """Share of all pixels that are right."""
    iou: list[float]
    """Per class; nan for a class in neither the masks nor the predictions."""

    def summary(self) -> dict[str, Any]:
        """The four averages by name."""
        values = asdict(self)
        values.pop("iou")
        return values


class ConfusionMatrix:
    """Counts of pixels by true class (rows) and predicted class (columns).

    A last column counts the pixels that were given no class at all: a miss, but nobody's false positive.
    """

    def __init__(self, num_classes: int, void: int = 255, device: torch.device | str = "cpu") -> None:
        self.num_classes, self.void = num_classes, void
        self.counts = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device)

    def update(self, prediction: torch.Tensor, mask: torch.Tensor) -> None:
        """Count a batch of train ids, both of any one shape; the host never waits, so it may be in a CUDA graph."""
        columns = self.num_classes + 1
        predicted = prediction.to(torch.int32).clamp(max=self.num_classes)
        cell = torch.where(mask < self.num_classes, mask.to(torch.int32) * columns + predicted, self.counts.numel())
        counts = _histogram(cell.flatten(), self.counts.numel() + 1)
        self.counts += counts[:-1].view_as(self.counts)

    def reduce(self) -> Metrics:
        """The metrics of all that was counted so far."""
        scores = ClassScores(self.counts.cpu().numpy())
        return Metrics(
            miou=_mean(scores.iou),
            mean_dice=_mean(scores.dice),
            mean_pixel_accuracy=_mean(scores.accuracy),
            pixel_accuracy=scores.pixel_accuracy,
            iou=scores.iou.tolist(),
        )


def _mean(values: Float64Array) -> float:
    """The mean over the classes that occur, by torch: NumPy's differs in the last digit, and histories would too."""
    return torch.from_numpy(occurring(values)).mean().item()


def _histogram(values: torch.Tensor, length: int) -> torch.Tensor:
    """How often each int32 from 0 to length - 1 occurs; on a GPU `bincount` would wait for it, to see the largest."""
    if values.is_cuda:
        return torch.histc(values, bins=length, min=0, max=length)
    return torch.bincount(values, minlength=length)


class EpochMetrics:
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

    def add(self, loss: torch.Tensor, logits: torch.Tensor, mask: torch.Tensor, step: int = 0) -> None:
        """Add a step of the epoch by its index: its scalar loss, (N, C, H, W) logits and (N, H, W) train ids."""
        self.losses += torch.stack([loss.double(), torch.ones_like(loss, dtype=torch.float64)])
        if step % self._every == 0:
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
        total = ConfusionMatrix(self.matrix.num_classes, self.matrix.void)
        total.counts = state["counts"]
        return (state["losses"][0] / state["losses"][1]).item(), total.reduce()
