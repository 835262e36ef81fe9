"""Evaluation of a network on samples at full resolution."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from engine.benchmark import Benchmark, Sample
from engine.data.dataset import Batch, FileReader, GuardedDataset, SegmentationDataset, batches, collate
from engine.devices.fabric import all_sum, progress_bar_disabled
from engine.training.metrics import ConfusionMatrix, Metrics
from engine.training.signals import set_up_worker

SampleSource = Callable[[], Iterator[Batch]]
"""Source of this process's samples: yields (1, 3, H, W) images and (1, H, W) masks."""


class Evaluation(NamedTuple):
    """Result of an evaluation."""

    loss: float
    """Mean loss over the samples."""
    metrics: Metrics
    """Metrics over all pixels."""
    finite: bool
    """Whether all logits were finite."""


class Evaluator:
    """Evaluates networks on one split; every sample counts exactly once.

    Results do not depend on the number of processes: counts are integers, and losses are summed exactly.

    Args:
        fabric: processes of the job, which share the samples.
        benchmark: benchmark whose classes are scored; a prediction of any further output of the network is a miss.
        samples: samples to evaluate on; their sizes may differ.
        workers: number of data-loading processes; they persist until the next evaluation.
        source: source of this process's samples, if they are not read from files.
    """

    def __init__(
        self,
        fabric: Fabric,
        benchmark: Benchmark,
        samples: Sequence[Sample],
        *,
        workers: int,
        source: SampleSource | None = None,
    ) -> None:
        self._fabric, self._classes, self._length = fabric, benchmark.classes, len(samples)
        self._shard = shard(samples, fabric)
        self._source: SampleSource | None = source or _files(
            benchmark, self._shard, workers, pinned=fabric.device.type == "cuda"
        )

    def close(self) -> None:
        """End the data-loading processes; otherwise they would outlive the training, which waits for them."""
        self._source = None

    @torch.no_grad()
    def __call__(
        self,
        forward: Callable[[torch.Tensor], torch.Tensor],
        loss: nn.Module,
        pause: Callable[[int], None] = lambda number: None,
    ) -> Evaluation:
        """Evaluate a network.

        Args:
            forward: (N, 3, H, W) uint8 images -> (N, C, H, W) logits; the caller sets evaluation mode.
            loss: loss of logits and masks.
            pause: called before each image with its index among those of this process, as long as all processes have
                an image of that index; an exception that it raises ends the evaluation.

        Raises:
            InputError: for a damaged file.
        """
        fabric, device = self._fabric, self._fabric.device
        matrix = ConfusionMatrix(len(self._classes), self._classes.void, device)
        losses = torch.zeros(self._length, dtype=torch.float64, device=device)
        finite = torch.ones((), dtype=torch.bool, device=device)
        if self._source is None:
            raise ValueError("this evaluator is closed; make another one")
        hidden = progress_bar_disabled(fabric)
        shared = self._length // fabric.world_size
        # Closed explicitly, because the traceback of an error would keep the loading processes alive.
        with _search_for_few_sizes() as take_note, closing(batch for batch in self._source()) as measured:
            bar = tqdm(measured, total=len(self._shard), desc="evaluate", disable=hidden, leave=False)
            for number, (images, masks) in enumerate(bar):
                if number < shared:
                    pause(number)
                take_note(images)
                masks = masks.to(device, non_blocking=True).long()
                logits = forward(images.to(device, non_blocking=True))
                finite &= logits.isfinite().all()
                losses[fabric.global_rank + number * fabric.world_size] = loss(logits, masks)
                matrix.update(logits.argmax(1), masks)
        losses = all_sum(fabric, losses)
        matrix.counts = all_sum(fabric, matrix.counts)
        infinite = all_sum(fabric, (~finite).long())
        return Evaluation(math.fsum(losses.tolist()) / self._length, matrix.reduce(), infinite.item() == 0)


@contextmanager
def _search_for_few_sizes() -> Iterator[Callable[[torch.Tensor], None]]:
    """Limit the search of cuDNN for its fastest algorithms (`cudnn.benchmark`) to the first two image sizes.

    A search takes up to a second for each new size; a GPU predicts hundreds of images in that time.
    """
    searching = torch.backends.cudnn.benchmark
    sizes: set[torch.Size] = set()

    def take_note(images: torch.Tensor) -> None:
        sizes.add(images.shape)
        torch.backends.cudnn.benchmark = searching and len(sizes) <= 2

    try:
        yield take_note
    finally:
        torch.backends.cudnn.benchmark = searching


def shard(samples: Sequence[Sample], fabric: Fabric) -> Sequence[Sample]:
    """Samples that this process evaluates."""
    return samples[fabric.global_rank :: fabric.world_size]


def _files(benchmark: Benchmark, samples: Sequence[Sample], workers: int, *, pinned: bool) -> SampleSource:
    """Source that reads samples from files, with persistent data-loading processes."""
    loader = DataLoader(
        GuardedDataset(SegmentationDataset(samples, FileReader(benchmark.train_ids))),
        batch_size=1,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        sampler=range(len(samples)),
        worker_init_fn=set_up_worker,
        pin_memory=pinned,
    )
    return lambda: batches(loader)
