"""Training: one loop for every network and every benchmark."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from engine.alarm import Alarm
from engine.benchmark import Benchmark, Sample
from engine.checkpoints import About
from engine.class_index import ClassIndex
from engine.dataset import Batch, GuardedDataset, Reader, SegmentationDataset, batches, collate
from engine.evaluation import evaluate
from engine.faults import Stopped
from engine.interruption import Interruption, leave_to_training
from engine.learner import Learner
from engine.metrics import Metrics
from engine.normalization import Normalize
from engine.recipe import Recipe
from engine.runs import Row, Run
from engine.sampler import EpochSampler, derive
from engine.schedules import SCHEDULES, Progress
from engine.tally import Tally
from engine.transforms import AUGMENTATIONS
from engine.watch import Watch

_AGREE_EVERY = 50
"""Several processes agree on whether it is time to save once in so many steps."""


class Training:
    """A learner in a run.

    All that is random follows from the seed, the epoch and the step, so a run that was interrupted goes on
    after its last saved step as if nothing had happened.
    """

    def __init__(
        self, fabric: Fabric, run: Run, learner: Learner, about: About, benchmark: Benchmark, recipe: Recipe
    ) -> None:
        self.fabric, self.run, self.learner, self.about = fabric, run, learner, about
        self.benchmark, self.classes, self.recipe = benchmark, benchmark.classes, recipe
        self.best: Row | None = None
        self.saved = time.monotonic()

    def fit(
        self,
        training: Sequence[Sample],
        validation: Sequence[Sample],
        reader: Reader,
        index: ClassIndex | None = None,
    ) -> Row | None:
        """Train for the epochs that are still to be done, and keep everything in the run's folder.

        Args:
            training: samples to learn from.
            validation: samples to measure on after each epoch.
            reader: of the training samples.
            index: where the classes lie in them, for class-uniform crops.

        Returns:
            The row of the best epoch so far, None if none was trained.

        Raises:
            InputError: for a damaged file, and for a loss that is no number.
            Stopped: after a signal; the state is saved.
        """
        sampler, loader = self._loader(training, reader, index)
        alarm = Alarm(self.run, self.learner, training, sampler)
        tally = self._resume(sampler)
        with Interruption(self.fabric) as interruption:
            for epoch in range(self.about.epoch + 1, self.recipe.epochs + 1):
                sampler.epoch = epoch
                watch = Watch(self.fabric, f"epoch {epoch}", len(sampler), sampler.start)
                self._train_epoch(sampler, watch.over(batches(loader)), tally, interruption, alarm)
                loss, metrics = tally.reduce(self.fabric)
                val_loss, val_metrics = self._evaluate(validation)
                row = {"epoch": epoch, "learning_rate": self._rate(epoch * len(sampler) - 1, len(sampler))}
                row |= _columns("train", loss, metrics) | _columns("val", val_loss, val_metrics) | watch.columns()
                if warning := watch.warning():
                    self.fabric.print(warning)
                sampler.start, tally = 0, self._tally()
                self._finish_epoch(row)
        return self.best

    def _loader(
        self, samples: Sequence[Sample], reader: Reader, index: ClassIndex | None
    ) -> tuple[EpochSampler, DataLoader[Any]]:
        recipe, fabric = self.recipe, self.fabric
        sampler = EpochSampler(
            len(samples),
            recipe.batch_size,
            recipe.seed,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            index=index,
            class_uniform=recipe.class_uniform,
        )
        augment = AUGMENTATIONS[recipe.augmentation](recipe.crop_size, self.classes.void)
        loader: DataLoader[Any] = DataLoader(
            GuardedDataset(SegmentationDataset(samples, reader, augment)),
            batch_sampler=sampler,
            collate_fn=collate,
            num_workers=recipe.workers,
            persistent_workers=recipe.workers > 0,
            worker_init_fn=leave_to_training,
            pin_memory=fabric.device.type == "cuda",
        )
        return sampler, loader

    def _train_epoch(
        self,
        sampler: EpochSampler,
        loaded: Iterator[Batch],
        tally: Tally,
        interruption: Interruption,
        alarm: Alarm,
    ) -> None:
        """Train on the rest of an epoch; losses and metrics of the crops are added to the tally."""
        self.learner.train()
        steps = len(sampler)
        for place, (images, masks) in enumerate(loaded, sampler.start):
            step = (sampler.epoch - 1) * steps + place
            # Dropout and the like draw from here, whether or not training was interrupted before.
            torch.manual_seed(derive(self.recipe.seed, step, self.fabric.global_rank))
            last = place + 1 == steps
            update = last or (place + 1) % self.recipe.accumulate == 0
            images, masks = self.fabric.to_device((images, masks))
            masks = masks.long()
            loss, logits = self.learner.step(images, masks, self._rate(step, steps), update=update)
            tally.add(loss, logits.argmax(1), masks)
            alarm.note(loss, place)
            if last:
                alarm.check()
            elif update:
                self._pause(place + 1, step, tally, interruption, alarm)

    def _pause(self, place: int, step: int, tally: Tally, interruption: Interruption, alarm: Alarm) -> None:
        """Between two steps: save if it is time to, and stop if a signal asked for it."""
        number = interruption.asked(step)
        if number or self._due(step):
            alarm.check()
            self._save(row=None, place=place, tally=tally)
        if number:
            raise Stopped(f"{self.run.folder}: saved in epoch {self.about.epoch + 1} after step {place}", number)

    def _due(self, step: int) -> bool:
        """Whether it is time to save within an epoch; the first process decides for all."""
        late = time.monotonic() - self.saved > 60 * self.recipe.save_minutes
        if self.fabric.world_size == 1:
            return late
        return step % _AGREE_EVERY == 0 and bool(self.fabric.broadcast(late))

    def _rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from the first epoch."""
        factor = SCHEDULES[self.recipe.schedule](Progress(step, steps, self.recipe.epochs))
        return self.recipe.learning_rate * factor

    def _evaluate(self, samples: Sequence[Sample]) -> tuple[float, Metrics]:
        self.learner.train(False)
        learner = self.learner
        return evaluate(
            self.fabric, learner.forward, learner.loss, self.benchmark, samples, workers=self.recipe.workers
        )

    def _finish_epoch(self, row: Row) -> None:
        """Keep an epoch; a kill at any point in here loses at most this epoch, which is then trained again."""
        self.about = replace(self.about, epoch=row["epoch"], miou=row["val_miou"])
        is_best = self.best is None or row["val_miou"] > self.best["val_miou"]
        self.best = row if is_best or self.best is None else self.best
        if self.fabric.is_global_zero and is_best:
            self.run.save_best(self.learner.weights(), self.about)
        if self.fabric.is_global_zero and self.recipe.save_every and row["epoch"] % self.recipe.save_every == 0:
            self.run.save_epoch(self.learner.weights(), self.about)
        self._save(row, place=0, tally=self._tally())
        if self.fabric.is_global_zero:
            self.run.record(row, self.classes.names, draw=self.recipe.curves)
            print(_line(row, self.best, self.recipe.epochs), flush=True)

    def _tally(self) -> Tally:
        return Tally(len(self.classes), self.classes.void, self.fabric.device)

    def _save(self, row: Row | None, place: int, tally: Tally) -> None:
        """Save all that is needed to go on after `place` steps of the epoch that follows `about.epoch`."""
        state = self.learner.state() | {
            "place": place,
            "tally": tally.state(self.fabric),
            "row": row,
            "best": self.best,
        }
        if self.fabric.is_global_zero:
            self.run.save(self.learner.weights(), self.about, **state)
        self.saved = time.monotonic()
        self.fabric.barrier()

    def _resume(self, sampler: EpochSampler) -> Tally:
        """Take up the last state of the run; a new run gets one at once, from before its first step."""
        tally = self._tally()
        state = self.run.load()
        self.fabric.barrier()  # or a slower process would find the state that a faster one has just begun
        if state is None:
            self._save(row=None, place=0, tally=tally)
            return tally
        self.about, self.best, sampler.start = state["about"], state["best"], state["place"]
        self.learner.normalize = self.fabric.to_device(Normalize(self.about.mean, self.about.std))
        self.learner.load(state["weights"], state)
        tally.load(self.fabric, state["tally"])
        if state["row"] is not None and self.fabric.is_global_zero:
            self.run.record(state["row"], self.classes.names, draw=self.recipe.curves)
        steps = f" and {sampler.start} steps" if sampler.start else ""
        self.fabric.print(
            f"{self.run.folder}: {self.about.epoch} of {self.recipe.epochs} epochs{steps} are done, going on"
        )
        return tally


def _line(row: Row, best: Row, epochs: int) -> str:
    """An epoch as a line for people."""
    minutes = (epochs - row["epoch"]) * row["seconds"] / 60
    return (
        f"epoch {row['epoch']}/{epochs}  loss {row['train_loss']:.4f}  "
        f"train mIoU {100 * row['train_miou']:.2f}  val mIoU {100 * row['val_miou']:.2f} "
        f"(best {100 * best['val_miou']:.2f})  "
        f"{row['images_per_second']:.2f} images/s  {minutes:.1f} min left"
    )


def _columns(split: str, loss: float, metrics: Metrics) -> Row:
    """Loss and metrics as columns of the history."""
    columns = {"loss": loss, **metrics.summary(), "iou": [None if math.isnan(iou) else iou for iou in metrics.iou]}
    return {f"{split}_{name}": value for name, value in columns.items()}
