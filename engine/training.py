"""Training: one loop for every network and every benchmark."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from engine import curves
from engine.checkpoints import About
from engine.dataset import (
    Benchmark,
    EpochSampler,
    FileReader,
    GuardedDataset,
    Sample,
    SegmentationDataset,
    batches,
    collate,
    derive,
)
from engine.evaluation import all_sum, evaluate, progress_bar_disabled
from engine.faults import InputError
from engine.losses import LOSSES
from engine.metrics import ConfusionMatrix, Metrics
from engine.runs import Row, Run
from engine.schedules import SCHEDULES, Progress
from engine.transforms import AUGMENTATIONS, Normalize


@dataclass(frozen=True)
class Recipe:
    """How to train."""

    epochs: int
    batch_size: int
    """Images a step, on each device."""
    crop_size: int
    """Side of the square crops, in pixels."""
    augmentation: str
    loss: str
    optimizer: Literal["adamw", "sgd"]
    learning_rate: float
    weight_decay: float
    schedule: str
    seed: int
    workers: int
    """Processes that load files, beside each training process."""


class Training:
    """A network being trained, and the run that it is trained in.

    All that is random follows from the seed, the epoch and the step, so a run that was interrupted goes on
    after its last whole epoch as if nothing had happened.
    """

    def __init__(
        self, fabric: Fabric, run: Run, network: nn.Module, about: About, benchmark: Benchmark, recipe: Recipe
    ) -> None:
        self.fabric, self.run, self.network, self.about = fabric, run, network, about
        self.benchmark, self.classes, self.recipe = benchmark, benchmark.classes, recipe
        self.best: Row | None = None
        self.loss = LOSSES[recipe.loss](self.classes.void)
        network.to(memory_format=torch.channels_last)  # twice as fast on CPUs, and faster on tensor cores
        self.model, self.optimizer = fabric.setup(network, _optimizer(network, recipe))
        self.normalize = fabric.to_device(Normalize(about.mean, about.std))

    def fit(self, training: Sequence[Sample], validation: Sequence[Sample]) -> Row | None:
        """Train for the epochs that are still to be done, and keep everything in the run's folder.

        Returns:
            The row of the best epoch so far, None if none was trained.

        Raises:
            InputError: for a damaged file, and for a loss that is no number.
        """
        sampler, loader = self._loader(training)
        self._resume()
        for epoch in range(self.about.epoch + 1, self.recipe.epochs + 1):
            began = time.perf_counter()
            train_loss, train_metrics = self._train_epoch(epoch, sampler, loader)
            trained = time.perf_counter()
            val_loss, val_metrics = self._evaluate(validation)
            images = len(sampler) * self.recipe.batch_size * self.fabric.world_size
            self._record(
                {
                    "epoch": epoch,
                    "learning_rate": self.optimizer.param_groups[0]["lr"],
                    **_columns("train", train_loss, train_metrics),
                    **_columns("val", val_loss, val_metrics),
                    "images_per_second": images / (trained - began),
                    "seconds": time.perf_counter() - began,
                }
            )
        return self.best

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) uint8 images -> (N, C, H, W) logits."""
        normalized = self.normalize(images).contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.model(normalized)
        return logits

    def _loader(self, samples: Sequence[Sample]) -> tuple[EpochSampler, DataLoader[Any]]:
        recipe, fabric = self.recipe, self.fabric
        sampler = EpochSampler(
            len(samples), recipe.batch_size, recipe.seed, rank=fabric.global_rank, world_size=fabric.world_size
        )
        augment = AUGMENTATIONS[recipe.augmentation](recipe.crop_size, self.classes.void)
        loader: DataLoader[Any] = DataLoader(
            GuardedDataset(SegmentationDataset(samples, FileReader(self.benchmark.read_mask), augment)),
            batch_sampler=sampler,
            collate_fn=collate,
            num_workers=recipe.workers,
            persistent_workers=recipe.workers > 0,
            pin_memory=fabric.device.type == "cuda",
        )
        return sampler, loader

    def _resume(self) -> None:
        """Take up the last state of the run; a new run gets one at once, from before its first epoch."""
        state = self.run.load()
        self.fabric.barrier()  # or a slower process would find the state that a faster one has just begun
        if state is None:
            self._save(row=None)
            return
        self.about, self.best = state["about"], state["best"]
        self.network.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        if state["row"] is not None and self.fabric.is_global_zero:
            self.run.append(state["row"])
        self.fabric.print(f"{self.run.folder}: {self.about.epoch} of {self.recipe.epochs} epochs are done, going on")

    def _train_epoch(self, epoch: int, sampler: EpochSampler, loader: DataLoader[Any]) -> tuple[float, Metrics]:
        """Train on every sample once; mean loss and metrics on the crops, as they were trained on."""
        fabric, recipe = self.fabric, self.recipe
        matrix = ConfusionMatrix(len(self.classes), self.classes.void, fabric.device)
        losses = []
        sampler.epoch = epoch
        self.model.train()
        bar = tqdm(
            batches(loader), f"epoch {epoch}", total=len(sampler), disable=progress_bar_disabled(fabric), leave=False
        )
        for step, (images, masks) in enumerate(bar, (epoch - 1) * len(sampler)):
            # Dropout and the like draw from here, whether or not training was interrupted before.
            torch.manual_seed(derive(recipe.seed, step, fabric.global_rank))
            factor = SCHEDULES[recipe.schedule](Progress(step, len(sampler), recipe.epochs))
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.learning_rate * factor

            masks = fabric.to_device(masks).long()  # (N, H, W)
            logits = self.forward(fabric.to_device(images))  # (N, C, H, W)
            loss = self.loss(logits, masks)
            self.optimizer.zero_grad()
            fabric.backward(loss)
            self.optimizer.step()

            losses.append(loss.detach())
            matrix.update(logits.detach().argmax(1), masks)
        mean_loss = all_sum(fabric, torch.stack(losses).mean()).item() / fabric.world_size
        if not math.isfinite(mean_loss):
            raise InputError(
                f"{self.run.folder}: the loss of epoch {epoch} is {mean_loss}; the state before it is in last.pth. "
                "Lower --learning_rate, or choose --precision 32-true"
            )
        matrix.counts = all_sum(fabric, matrix.counts)
        return mean_loss, matrix.reduce()

    def _evaluate(self, samples: Sequence[Sample]) -> tuple[float, Metrics]:
        self.model.eval()
        return evaluate(self.fabric, self.forward, self.loss, self.benchmark, samples, workers=self.recipe.workers)

    def _record(self, row: Row) -> None:
        """Keep an epoch; a kill at any point in here loses at most this epoch, which is then trained again."""
        self.about = replace(self.about, epoch=row["epoch"], miou=row["val_miou"])
        is_best = self.best is None or row["val_miou"] > self.best["val_miou"]
        self.best = row if is_best or self.best is None else self.best
        if self.fabric.is_global_zero and is_best:
            self.run.save_best(self.network.state_dict(), self.about)
        self._save(row)
        if not self.fabric.is_global_zero:
            return
        self.run.append(row)
        with SummaryWriter(str(self.run.tensorboard), purge_step=row["epoch"]) as events:
            for name, value in row.items():
                if not isinstance(value, list):
                    events.add_scalar(name, value, row["epoch"])
        curves.draw(self.run.history(), self.run.curves, self.run.folder.name)
        minutes = (self.recipe.epochs - row["epoch"]) * row["seconds"] / 60
        print(
            f"epoch {row['epoch']}/{self.recipe.epochs}  loss {row['train_loss']:.4f}  "
            f"train mIoU {100 * row['train_miou']:.2f}  val mIoU {100 * row['val_miou']:.2f} "
            f"(best {100 * self.best['val_miou']:.2f})  "
            f"{row['images_per_second']:.2f} images/s  {minutes:.1f} min left",
            flush=True,
        )

    def _save(self, row: Row | None) -> None:
        if self.fabric.is_global_zero:
            self.run.save(
                self.network.state_dict(),
                self.about,
                optimizer=self.optimizer.state_dict(),
                precision=self.fabric.strategy.precision.state_dict(),
                row=row,
                best=self.best,
            )
        self.fabric.barrier()


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser; weight decay acts on weights, not on biases and the scales of normalisation."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _columns(split: str, loss: float, metrics: Metrics) -> Row:
    """Loss and metrics as columns of the history."""
    columns = {"loss": loss, **metrics.summary(), "iou": [None if math.isnan(iou) else iou for iou in metrics.iou]}
    return {f"{split}_{name}": value for name, value in columns.items()}
