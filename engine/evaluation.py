"""Measuring a network on samples at their full size."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from engine.dataset import Benchmark, FileReader, GuardedDataset, Sample, SegmentationDataset, batches, collate
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
    loader = DataLoader(dataset, batch_size=1, collate_fn=collate, num_workers=workers, sampler=range(len(mine)))
    matrix = ConfusionMatrix(len(benchmark.classes), benchmark.classes.void, fabric.device)
    total = torch.zeros(2, dtype=torch.float64, device=fabric.device)  # sum of losses, number of samples
    for images, masks in tqdm(
        batches(loader), total=len(mine), desc="evaluate", disable=progress_bar_disabled(fabric), leave=False
    ):
        masks = masks.to(fabric.device).long()
        logits = forward(images.to(fabric.device))
        total += torch.stack([loss(logits, masks).double(), torch.ones((), dtype=torch.float64, device=fabric.device)])
        matrix.update(logits.argmax(1), masks)
    total = all_sum(fabric, total)
    matrix.counts = all_sum(fabric, matrix.counts)
    return (total[0] / total[1]).item(), matrix.reduce()


def all_sum(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all processes."""
    total = fabric.all_reduce(values, reduce_op="sum")
    return cast("torch.Tensor", total)


def progress_bar_disabled(fabric: Fabric) -> bool | None:
    """Draw progress bars on the first process only, and there only where a person watches."""
    return None if fabric.is_global_zero else True
