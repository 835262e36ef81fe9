"""The functions of the original repository, yoR-rihsihS/fcn (https://github.com/yoR-rihsihS/fcn).

Arguments and results are those of the original, so that scripts written for it keep working. New code uses
`engine.training` and the networks of this package. The original repository knows one benchmark, and so do its
functions: `convert_trainid_mask` has the train ids of Cityscapes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from engine.arrays import UInt8Array
from engine.errors import InputError
from engine.files.documents import read_json

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
PerClass = tuple[float, torch.Tensor, torch.Tensor, torch.Tensor]
"""Mean loss, then IoU, Dice and pixel accuracy per class, each (C,)."""


def compute_batch_metrics(
    preds: torch.Tensor, targets: torch.Tensor, num_classes: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Count intersection, union, predicted and true pixels per class, each (C,) float.

    Args:
        preds: (N, H, W) predicted classes.
        targets: (N, H, W) true classes; values outside 0 to C - 1 belong to no class.
        num_classes: C.
    """

    def count(classes: torch.Tensor) -> torch.Tensor:
        inside = classes[(classes >= 0) & (classes < num_classes)]
        return torch.bincount(inside.flatten().long(), minlength=num_classes).float()

    intersection = count(targets[preds == targets])
    predicted, true = count(preds), count(targets)
    return intersection, predicted + true - intersection, predicted, true


def convert_trainid_mask(
    trainid_mask: UInt8Array,
    to: Literal["labelid", "color"],
    name_to_trainId_path: str | Path,  # noqa: N803  # the original's name
    name_to_labelId_path: str | Path,  # noqa: N803
    name_to_color_path: str | Path,
) -> UInt8Array:
    """Convert a (H, W) mask of train ids to label ids (H, W) or colours (H, W, 3).

    The JSON files hold the train id, label id and colour of each label name. Those of the official labels are in the
    same paths as in the original repository: `cityscapes/name_to_trainId.json`, `name_to_labelId.json` and
    `name_to_color.json`. Train ids without a name, including void, become label id 0.

    Raises:
        InputError: if `to` is neither of the two, or a file is missing or not JSON.
    """
    if to not in ("labelid", "color"):
        raise InputError(f"convert_trainid_mask: got to={to!r}, expected 'labelid' or 'color'")
    train_ids: dict[str, int] = read_json(Path(name_to_trainId_path))
    label_ids: dict[str, int] = read_json(Path(name_to_labelId_path))
    label_id_of = np.zeros(256, np.uint8)
    for name, train_id in train_ids.items():
        if 0 <= train_id < 255 and label_ids[name] >= 0:
            label_id_of[train_id] = label_ids[name]
    label_id_of[19] = 0
    if to == "labelid":
        return label_id_of[trainid_mask]
    color_of = np.zeros((256, 3), np.uint8)
    for name, color in read_json(Path(name_to_color_path)).items():
        if label_ids[name] >= 0:
            color_of[label_ids[name]] = color
    return color_of[label_id_of[trainid_mask]]


def train_one_epoch(
    model: nn.Module,
    dataloader: Batches,
    loss_fn: nn.Module,
    optimizer: torch.optim.Optimizer,
    num_classes: int,
    scaler: Any,
    device: str | torch.device,
) -> PerClass:
    """Train on every batch once, in float16 if the device is a GPU."""
    model.train()
    meter = _Meter(num_classes)
    for images, masks in dataloader:
        images, masks = images.to(device), masks.squeeze(1).to(device).long()
        optimizer.zero_grad()
        with _float16(device):
            logits = model(images)
            loss = loss_fn(logits, masks)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        meter.add(loss, logits, masks)
    return meter.result()


@torch.no_grad()
def evaluate(
    model: nn.Module, dataloader: Batches, loss_fn: nn.Module, num_classes: int, device: str | torch.device
) -> PerClass:
    """Measure loss and metrics on every batch, in float16 if the device is a GPU."""
    model.eval()
    meter = _Meter(num_classes)
    for images, masks in dataloader:
        images, masks = images.to(device), masks.squeeze(1).to(device).long()
        with _float16(device):
            logits = model(images)
            loss = loss_fn(logits, masks)
        meter.add(loss, logits, masks)
    return meter.result()


class _Meter:
    """Sums of the loss and the metrics of both loops.

    Unlike `engine.confusion`, and like the original repository: predictions on void pixels count, and 1e-10 is added
    to all counts.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.losses: list[torch.Tensor] = []
        self.counts: torch.Tensor | None = None

    def add(self, loss: torch.Tensor, logits: torch.Tensor, masks: torch.Tensor) -> None:
        self.losses.append(loss.detach())
        counts = torch.stack(compute_batch_metrics(logits.detach().argmax(1), masks, self.num_classes))
        self.counts = counts if self.counts is None else self.counts + counts

    def result(self) -> PerClass:
        if self.counts is None:
            raise InputError("no batches: the data loader is empty")
        intersection, union, predicted, true = self.counts + 1e-10
        loss = torch.stack(self.losses).mean().item()
        return loss, intersection / union, 2 * intersection / (predicted + true), intersection / true


def _float16(device: str | torch.device) -> torch.autocast:
    kind = torch.device(device).type
    return torch.autocast(kind, torch.float16, enabled=kind == "cuda")
