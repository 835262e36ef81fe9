"""Measuring a network on samples at their full size."""

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from engine.benchmark import Benchmark, Sample
from engine.dataset import FileReader, GuardedDataset, SegmentationDataset, batches, collate
from engine.interruption import leave_to_training
from engine.metrics import ConfusionMatrix, Metrics


@torch.no_grad()
def evaluate(
    fabric: Fabric,
    forward: Callable[[torch.Tensor], torch.Tensor],
    loss: nn.Module,
    benchmark: Benchmark,
    samples: Sequence[Sample],
    *,
    workers: int,
) -> tuple[float, Metrics]:
    """Mean loss over samples, and metrics, of a network on one split; every sample counts exactly once.

    The figures do not depend on how many processes there are: counts are integers, and losses are added up exactly.

    Args:
        fabric: the processes share out the samples.
        forward: (N, 3, H, W) uint8 images -> (N, C, H, W) logits; the caller sets evaluation mode.
        loss: of logits and masks.
        benchmark: whose classes are scored; the network may have more outputs, which count as no class.
        samples: may differ in size from each other.
        workers: processes that load files.
    """
    mine = samples[fabric.global_rank :: fabric.world_size]
    dataset = GuardedDataset(SegmentationDataset(mine, FileReader(benchmark.read_mask)))
    loader = DataLoader(
        dataset,
        batch_size=1,
        collate_fn=collate,
        num_workers=workers,
        sampler=range(len(mine)),
        worker_init_fn=leave_to_training,
    )
    matrix = ConfusionMatrix(len(benchmark.classes), benchmark.classes.void, fabric.device)
    losses = torch.zeros(len(samples), dtype=torch.float64, device=fabric.device)
    hidden = progress_bar_disabled(fabric)
    bar = tqdm(batches(loader), total=len(mine), desc="evaluate", disable=hidden, leave=False)
    for number, (images, masks) in enumerate(bar):
        masks = masks.to(fabric.device).long()
        logits = forward(images.to(fabric.device))
        losses[fabric.global_rank + number * fabric.world_size] = loss(logits, masks)
        matrix.update(logits.argmax(1), masks)
    losses = all_sum(fabric, losses)
    matrix.counts = all_sum(fabric, matrix.counts)
    return math.fsum(losses.tolist()) / len(samples), matrix.reduce()


def all_sum(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all processes."""
    total = fabric.all_reduce(values, reduce_op="sum")
    return cast("torch.Tensor", total)


def progress_bar_disabled(fabric: Fabric) -> bool | None:
    """Draw progress bars on the first process only, and there only where a person watches."""
    return None if fabric.is_global_zero else True
