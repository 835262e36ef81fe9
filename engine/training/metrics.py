"""Metrics of semantic segmentation from a confusion matrix, and the running loss and metrics of an epoch."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from engine.arrays import Float64Array
from engine.confusion import ClassScores, occurring
from engine.devices.fabric import all_sum


@dataclass(frozen=True)
class Metrics:
    """Metrics of a confusion matrix, as fractions from 0 to 1; void pixels are ignored.

    Means are over the classes that occur, and NaN if none does.
    """

    miou: float
    """Mean intersection over union (mIoU) over classes."""
    mean_dice: float
    """Mean Dice over classes: 2 x intersection / sum of both sizes, which is the F1 score."""
    mean_pixel_accuracy: float
    """Mean recall over classes: the share of the pixels of a class that were found."""
    pixel_accuracy: float
    """Share of all pixels that are predicted correctly."""
    iou: list[float]
    """IoU of each class; NaN for a class in neither the masks nor the predictions."""

    def summary(self) -> dict[str, Any]:
        """Return the four averages by name."""
        values = asdict(self)
        values.pop("iou")
        return values


class ConfusionMatrix:
    """Confusion matrix: counts of pixels by true class (rows) and predicted class (columns).

    The last column counts predictions that are not a class: a miss, but not a false positive of any class.
    """

    def __init__(self, num_classes: int, void: int = 255, device: torch.device | str = "cpu") -> None:
        self.num_classes, self.void = num_classes, void
        self.counts = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device)

    def update(self, prediction: torch.Tensor, mask: torch.Tensor) -> None:
        """Count a batch of train ids of equal shapes; the host never waits, so it can be part of a CUDA graph."""
        columns = self.num_classes + 1
        predicted = prediction.to(torch.int32).clamp(max=self.num_classes)
        cell = torch.where(mask < self.num_classes, mask.to(torch.int32) * columns + predicted, self.counts.numel())
        counts = _histogram(cell.flatten(), self.counts.numel() + 1)
        self.counts += counts[:-1].view_as(self.counts)

    def reduce(self) -> Metrics:
        """Compute the metrics of all pixels counted so far."""
        scores = ClassScores(self.counts.cpu().numpy())
        return Metrics(
            miou=_mean(scores.iou),
            mean_dice=_mean(scores.dice),
            mean_pixel_accuracy=_mean(scores.accuracy),
            pixel_accuracy=scores.pixel_accuracy,
            iou=scores.iou.tolist(),
        )


def _mean(values: Float64Array) -> float:
    """Mean over the classes that occur, by torch: NumPy's differs in the last digit, and would change histories."""
    return torch.from_numpy(occurring(values)).mean().item()


def _histogram(values: torch.Tensor, length: int) -> torch.Tensor:
    """Count each int32 from 0 to length - 1; on a GPU, `bincount` would make the host wait for the largest value."""
    if values.is_cuda:
        return torch.histc(values, bins=length, min=0, max=length)
    return torch.bincount(values, minlength=length)


class EpochMetrics:
    """Running loss and confusion matrix of an epoch, updated without waiting for the device.

    Args:
        num_classes: number of classes.
        void: train id that is ignored.
        device: device of losses and masks.
        every: interval in steps at which pixels are counted; the loss of every step is.
    """

    def __init__(self, num_classes: int, void: int, device: torch.device, every: int = 1) -> None:
        self.matrix = ConfusionMatrix(num_classes, void, device)
        self.losses = torch.zeros(2, dtype=torch.float64, device=device)
        """Sum of the losses, and number of steps."""
        self._every = every

    def add(self, loss: torch.Tensor, logits: torch.Tensor, mask: torch.Tensor, step: int = 0) -> None:
        """Add a step of the epoch by its index: its scalar loss, (N, C, H, W) logits and (N, H, W) train ids."""
        self.losses += torch.stack([loss.double(), torch.ones_like(loss, dtype=torch.float64)])
        if step % self._every == 0:
            self.matrix.update(logits.argmax(1), mask)

    def state(self, fabric: Fabric) -> dict[str, torch.Tensor]:
        """Sums over all processes, on the CPU, for the training state."""
        return {"losses": all_sum(fabric, self.losses).cpu(), "counts": all_sum(fabric, self.matrix.counts).cpu()}

    def load(self, fabric: Fabric, state: dict[str, Any]) -> None:
        """Add saved sums, on the first process only, so that they count once."""
        if fabric.is_global_zero:
            self.losses += state["losses"].to(self.losses.device)
            self.matrix.counts += state["counts"].to(self.losses.device)

    def reduce(self, fabric: Fabric) -> tuple[float, Metrics]:
        """Compute the mean loss and the metrics over all processes."""
        state = self.state(fabric)
        total = ConfusionMatrix(self.matrix.num_classes, self.matrix.void)
        total.counts = state["counts"]
        return (state["losses"][0] / state["losses"][1]).item(), total.reduce()
