"""Training loop for every network and every benchmark."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice

import torch
from lightning_fabric import Fabric

from engine.benchmark import Benchmark, Sample
from engine.checkpoints import About, StateDict
from engine.data.sampler import EpochSampler, derive
from engine.devices.fabric import precision_of
from engine.errors import Stopped
from engine.normalization import Normalize
from engine.training import data_state, history
from engine.training.batches import BatchSource
from engine.training.config import TrainingConfig
from engine.training.divergence import DivergenceCheck
from engine.training.evaluation import Evaluation, Evaluator
from engine.training.learner import Learner
from engine.training.metrics import EpochMetrics
from engine.training.optimization import SCHEDULES, Progress
from engine.training.run import Row, Run
from engine.training.signals import AGREE_EVERY_IMAGES, Interruption
from engine.training.state import State, reporting_mismatch, require_step
from engine.training.step_graph import StepGraph, graph_backend
from engine.training.throughput import ThroughputMeter

_AGREE_EVERY = 50
"""Interval in steps at which several processes agree on whether it is time to save."""


class Trainer:
    """Trains a learner, and keeps state, weights and history in a run folder.

    All random numbers are functions of the seed, the epoch and the step, so an interrupted run resumes after its last
    saved step exactly as if it had not been interrupted.

    Args:
        fabric: processes of the job.
        run: run folder.
        learner: network and optimiser.
        about: metadata of the initial weights.
        benchmark: benchmark whose classes are scored.
        config: options of the training.
        data: source of the batches.
        evaluator: evaluates the weights after an epoch.
        validation: samples of the evaluator, for the fingerprint of the data.
    """

    def __init__(
        self,
        fabric: Fabric,
        run: Run,
        learner: Learner,
        about: About,
        benchmark: Benchmark,
        config: TrainingConfig,
        data: BatchSource,
        evaluator: Evaluator,
        validation: Sequence[Sample] = (),
    ) -> None:
        self.fabric, self.run, self.learner, self.about = fabric, run, learner, about
        self.benchmark, self.classes = benchmark, benchmark.classes
        self.config, self.data, self.evaluator = config, data, evaluator
        self.best: Row | None = None
        self.saved = time.monotonic()
        self._best_weights: tuple[StateDict, About] | None = None
        """Weights and metadata of the best epoch until they are written to best.pth; on the device."""
        self._divergence = DivergenceCheck(run, learner, data)
        self._data_state = data_state.fingerprint(data.samples, validation, len(data.sampler))
        backend = graph_backend(fabric, config)
        self._graph = StepGraph(partial(self._learn, update=True), backend, learner.optimizer.zero_grad)

    def fit(self) -> Row | None:
        """Train for the remaining epochs, and keep everything in the run folder.

        Returns:
            The history row of the best epoch so far, None if no epoch was validated.

        Raises:
            InputError: for a damaged file, and if the loss or the weights become NaN or infinite.
            Stopped: after a signal; the state is saved.
        """
        sampler = self.data.sampler
        epoch_metrics = self._resume(sampler)
        sampler.epoch = self.about.epoch + 1
        stream = self.data.stream(self.config.epochs)
        with (
            Interruption(self.fabric) as interruption,
            closing(self.evaluator),
            closing(self.run),
            closing(stream),
        ):
            for epoch in range(self.about.epoch + 1, self.config.epochs + 1):
                sampler.epoch = epoch
                meter = ThroughputMeter(self.fabric, f"epoch {epoch}", len(sampler), sampler.start)
                remaining = islice(stream, len(sampler) - sampler.start)
                self._train_epoch(sampler, meter.timed(remaining), epoch_metrics, interruption)
                row = self._row(epoch, epoch_metrics, meter, interruption)
                sampler.start, epoch_metrics = 0, self._new_metrics()
                self._finish_epoch(row)
        return self.best

    def _row(self, epoch: int, epoch_metrics: EpochMetrics, meter: ThroughputMeter, interruption: Interruption) -> Row:
        """Validate a trained epoch, and return its history row."""
        steps = len(self.data.sampler)

        def pause(number: int) -> None:
            if signal := interruption.requested_signal(number, AGREE_EVERY_IMAGES):
                self._save(row=None, steps_done=steps, epoch_metrics=epoch_metrics)
                raise Stopped(
                    f"{self.run.folder}: saved in epoch {epoch} before its validation, which was interrupted", signal
                )

        measured = self._evaluate(pause) if self._is_validated(epoch) else None
        loss, metrics = epoch_metrics.reduce(self.fabric)
        trained = history.columns("train", loss, metrics)
        validated = history.columns("val", measured.loss, measured.metrics) if measured else self._unmeasured(trained)
        if warning := meter.warning():
            self.fabric.print(warning)
        rate = self._rate(epoch * steps - 1, steps)
        return {"epoch": epoch, "learning_rate": rate, **trained, **validated, **meter.columns()}

    def _train_epoch(
        self,
        sampler: EpochSampler,
        loaded: Iterator[tuple[torch.Tensor, ...]],
        epoch_metrics: EpochMetrics,
        interruption: Interruption,
    ) -> None:
        """Train on the rest of an epoch, and add losses and metrics of the crops to `epoch_metrics`."""
        self.learner.train()
        steps = len(sampler)
        for step, parts in enumerate(loaded, sampler.start):
            global_step = (sampler.epoch - 1) * steps + step
            # Dropout draws from this state, so an interruption does not change it.
            _seed(self.fabric.device, derive(self.config.seed, global_step, self.fabric.global_rank))
            last = step + 1 == steps
            update = last or (step + 1) % self.config.accumulate == 0
            parts = self.fabric.to_device(parts)
            self.learner.set_learning_rate(self._rate(global_step, steps))
            uniform = self.config.accumulate == 1  # every step runs the same operations
            loss, logits, masks = self._graph(*parts) if uniform else self._learn(*parts, update=update)
            epoch_metrics.add(loss, logits, masks, step)
            self._divergence.add(loss.clone(), step)  # a graph writes its loss to the same memory in every step
            if last:
                self._divergence.check()
            elif update:
                self._pause(step + 1, global_step, epoch_metrics, interruption)

    def _learn(self, *parts: torch.Tensor, update: bool) -> tuple[torch.Tensor, ...]:
        """Run a step without waiting for the device; return its loss, logits and masks."""
        images, masks = self.data.prepare(*parts)
        masks = masks.long()
        return (*self.learner.step(images, masks, update=update), masks)

    def _pause(
        self, steps_done: int, global_step: int, epoch_metrics: EpochMetrics, interruption: Interruption
    ) -> None:
        """Between two steps, save if it is time to, and stop if a signal was received."""
        number = interruption.requested_signal(global_step)
        if number or self._due(global_step):
            self._divergence.check()
            self._save(row=None, steps_done=steps_done, epoch_metrics=epoch_metrics)
        if number:
            raise Stopped(f"{self.run.folder}: saved in epoch {self.about.epoch + 1} after step {steps_done}", number)

    def _due(self, global_step: int) -> bool:
        """Whether it is time to save; with several processes, the first decides for all every 50 steps."""
        late = time.monotonic() - self.saved > 60 * self.config.save_minutes
        if self.fabric.world_size == 1:
            return late
        return global_step % _AGREE_EVERY == 0 and bool(self.fabric.broadcast(late))

    def _rate(self, global_step: int, steps: int) -> float:
        """Learning rate of a step that is counted from the first epoch."""
        factor = SCHEDULES[self.config.schedule](Progress(global_step, steps, self.config.epochs))
        return self.config.learning_rate * factor

    def _is_validated(self, epoch: int) -> bool:
        return epoch % self.config.validate_every == 0 or epoch == self.config.epochs

    def _evaluate(self, pause: Callable[[int], None]) -> Evaluation:
        """Evaluate in the precision of predictions, or in that of training if fp16 overflows."""
        self.learner.train(False)
        measured = self.evaluator(self.learner.evaluate, self.learner.loss, pause)
        precision = precision_of(self.fabric)
        if not measured.finite and self.learner.evaluation_precision not in {precision, "32-true"}:
            self.fabric.print(
                f"warning: the activations of this network exceed the range of fp16, so it is validated in {precision} "
                f"from now on; predict with --precision {precision}"
            )
            self.learner.evaluation_precision = precision
            measured = self.evaluator(self.learner.evaluate, self.learner.loss, pause)
        return measured

    def _unmeasured(self, trained: Row) -> Row:
        """Validation columns of an epoch that is not validated: the same names as for training, with None."""
        names = [name.removeprefix("train_") for name in trained]
        return {f"val_{name}": [None] * len(self.classes) if name == "iou" else None for name in names}

    def _finish_epoch(self, row: Row) -> None:
        """Record an epoch; a kill at any point here loses at most the progress since the last saved state."""
        miou = row["val_miou"]
        self.about = replace(self.about, epoch=row["epoch"], miou=self.about.miou if miou is None else miou)
        if miou is not None and (self.best is None or miou > self.best["val_miou"]):
            self.best = row
            weights = {name: tensor.clone() for name, tensor in self.learner.weights().items()}
            self._best_weights = (weights, self.about)
        if self.fabric.is_global_zero and self.config.save_every and row["epoch"] % self.config.save_every == 0:
            self.run.save_epoch(self.learner.weights(), self.about)
        due = row["epoch"] == self.config.epochs or self._due_after_epoch()
        if due:
            self._save(row, steps_done=0, epoch_metrics=self._new_metrics())
        if self.fabric.is_global_zero:
            self.run.append(row)
            if due:
                self._publish()
            print(history.line(row, self.best, self.config.epochs), flush=True)

    def _publish(self) -> None:
        options = self.config
        images = len(self.data.samples)
        self.run.publish(self.benchmark, images, self.best, curves=options.curves, logger=options.logger)

    def _due_after_epoch(self) -> bool:
        """Whether it is time to save after an epoch, where all processes meet anyway."""
        late = time.monotonic() - self.saved > 60 * self.config.save_minutes
        return bool(self.fabric.broadcast(late)) if self.fabric.world_size > 1 else late

    def _new_metrics(self) -> EpochMetrics:
        return EpochMetrics(len(self.classes), self.classes.void, self.fabric.device, self.config.metrics_every)

    def _save(self, row: Row | None, steps_done: int, epoch_metrics: EpochMetrics) -> None:
        """Save everything needed to resume after `steps_done` steps of the epoch after `about.epoch`.

        The best weights are written first, so that they are never older than the state that refers to them.
        """
        state = State(
            about=self.about,
            steps_done=steps_done,
            epoch_metrics=epoch_metrics.state(self.fabric),
            row=row,
            best=self.best,
            data=self._data_state,
            **self.learner.state(),
        )
        if self.fabric.is_global_zero:
            if self._best_weights is not None:
                self.run.save_best(*self._best_weights, self.classes.names)
            self.run.save(state)
        self._best_weights = None
        self.saved = time.monotonic()
        self.fabric.barrier()

    def _resume(self, sampler: EpochSampler) -> EpochMetrics:
        """Load the last state of the run; a new run saves its initial state first."""
        epoch_metrics = self._new_metrics()
        state = self.run.load()
        self.fabric.barrier()  # otherwise a slower process would find the initial state of a faster one
        if state is None:
            self.run.require_no_history()
            self._save(row=None, steps_done=0, epoch_metrics=epoch_metrics)
            return epoch_metrics
        self.about, self.best = state.about, state.best
        sampler.start = self._resume_step(state)
        require_step(self.run.last, sampler.start, len(sampler))
        self.learner.normalize = self.fabric.to_device(Normalize(self.about.mean, self.about.std))
        with reporting_mismatch(self.run.last):
            self.learner.load(vars(state))
            epoch_metrics.load(self.fabric, state.epoch_metrics)
        if self.fabric.is_global_zero:
            self.run.resume(state, self.classes.names)
            if state.row is not None:
                self._publish()
        steps = f" and {sampler.start} steps" if sampler.start else ""
        self.fabric.print(
            f"{self.run.folder}: {self.about.epoch} of {self.config.epochs} epochs{steps} are done, resuming"
        )
        return epoch_metrics

    def _resume_step(self, state: State) -> int:
        """Step at which a saved epoch resumes; changes of the images are reported on stderr."""
        if state.data is None:
            return state.steps_done
        if self.fabric.is_global_zero:
            for change in data_state.changes(state.data, self._data_state):
                print(f"note: {self.run.folder}: {change}", file=sys.stderr)
        return data_state.resume_step(
            state.data, self._data_state, state.steps_done, self.config.accumulate, self.run.last
        )


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generators of CPU and device; `torch.manual_seed` takes a millisecond if CUDA is not initialised."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
