"""CamVid from random weights in the remaining time: a trial run, then one training per seed, by the commands."""

import json
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench import gpu_settings, plan, tiny, weight_files
from bench.gpu_settings import PartSettings, SaveResult
from bench.launch import Job, ProcessResult
from camvid.layout import segnet_samples
from engine.errors import InputError
from engine.files.atomic import sha256

RECIPES = {"fcn8s": "fcn8s_camvid_scratch", "unet": "unet_camvid_scratch"}
"""Network -> recipe."""
SPEED_FLAGS = (
    "--data_on device --cuda_graph true",
    "--data_on device --cuda_graph false",
    "--data_on workers --workers 12 --cuda_graph false",
)
"""Flags of train_fcn.py that change its speed but not what it learns; the first entry that works is used."""
_SCORE_SECONDS = 60.0
"""Time limit for scoring one split."""
_LAST_SECONDS = 10.0
"""Seconds reserved for saving the weights of the last training."""
SCORED = ("val", "test")
_LEAST_EPOCHS = 2
_READ_EVERY = 2.0
"""Seconds between two readings of the history of a running training."""


class TrainingOutcome(NamedTuple):
    """Outcome of a training: its process, its history and its folder."""

    ended: ProcessResult
    history: list[dict[str, Any]]
    folder: Path


@dataclass
class _Schedule:
    """Flags, estimated time and epochs for the trainings of a network."""

    network: str
    speed_flags: str
    time_needed: plan.TrainingTime
    epochs: int


def run(settings: PartSettings, save: SaveResult) -> list[str]:
    """Train, score, and save the weights to the output folder.

    Returns:
        Messages about what failed.
    """
    camvid = _CamVid(settings, save)
    for number, network in enumerate(settings.networks):
        share = 1 if number else len(settings.seeds)
        camvid.train_network(network, settings.seeds[:share])
    return camvid.failed


def table(result: dict[str, Any]) -> str:
    """The result of the part as text to print."""
    lines = [
        f"  {row['network']:<6} seed {row['seed']}  {row['epochs_done']:>4} of {row['epochs']} epochs  "
        f"{row['seconds']:6.1f} s  best val {_percent(row['best_val_miou'])}  "
        + "  ".join(f"{split} {_percent(value)}" for split, value in row["miou"].items())
        for row in result.get("trainings", ())
    ]
    return "\n".join([*lines, *(f"  {line}" for line in result.get("notes", ()))]) or "  nothing trained"


class _CamVid:
    """All trainings of one run, within its time limit."""

    def __init__(self, settings: PartSettings, save: SaveResult) -> None:
        self.settings, self._save_result = settings, save
        self.failed: list[str] = []
        self.root = settings.root if settings.root is not None else Path()
        self._until = time.monotonic() + settings.seconds
        self._files = gpu_settings.FILES_BACK - 1  # the record is one of them
        self.splits = {}
        for split in ("train", *SCORED):
            try:
                self.splits[split] = len(segnet_samples(self.root, split))
            except InputError:
                if split != "test":  # without test images the weights can be scored elsewhere
                    raise
        self.result: dict[str, Any] = {
            "what": "CamVid, 11 classes, from random weights; weights best on val; mean IoU from 0 to 1",
            "images": self.splits,
            "trials": [],
            "trainings": [],
            "notes": [],
        }

    @property
    def left(self) -> float:
        """Seconds that remain for trainings."""
        return self._until - time.monotonic() - _LAST_SECONDS

    def save(self) -> None:
        """Save the result so far."""
        self._save_result(self.result)

    def add_note(self, text: str) -> None:
        """Add a sentence to the result and save it."""
        self.result["notes"].append(text)
        self.save()

    def train_network(self, network: str, seeds: tuple[int, ...]) -> None:
        """Measure the time of an epoch, then train with all seeds for as many epochs as fit into the remaining time."""
        schedule = self._schedule(network, len(seeds))
        if schedule is None:
            return
        durations: list[float] = []
        for seed in seeds:
            if not plan.another_fits(self.left, durations):
                self.add_note(f"{network}: no time was left for seed {seed}")
                continue
            durations.append(self._train_seed(schedule, seed))

    def _schedule(self, network: str, runs: int) -> _Schedule | None:
        """Find the first speed flags that work, and the number of epochs that fit; None if there are none."""
        for speed_flags in SPEED_FLAGS:
            if self.left <= 0:
                break
            row: dict[str, Any] = {"network": network, "speed_flags": speed_flags}
            self.result["trials"].append(row)
            epochs, limit = self.settings.sizes.trial_epochs, self.left / 3
            outcome = self._train(network, speed_flags, 0, epochs, f"trial-{network}", limit, epochs // 2)
            row["seconds"] = round(outcome.ended.seconds, 1)
            if outcome.ended.code != 0 or len(outcome.history) < epochs:
                row["error"] = self._error_tail(outcome.ended)
                self.failed.append(f"{network}: the trial with {speed_flags} ended with code {outcome.ended.code}")
                self.save()
                continue
            found = self._training_time(outcome)
            fit = plan.epochs_that_fit(self.left, runs, found, self.settings.sizes.epochs)
            row |= {"pace": {name: round(value, 4) for name, value in found._asdict().items()}, "epochs": fit}
            self.save()
            if fit < _LEAST_EPOCHS:
                break
            return _Schedule(network, speed_flags, found, fit)
        self.add_note(
            f"{network}: no training of {_LEAST_EPOCHS} epochs or more worked or fitted into the time that was left"
        )
        return None

    def _training_time(self, outcome: TrainingOutcome) -> plan.TrainingTime:
        """Estimate the time of a training, including scoring, which is timed here once."""
        rows = [(row["seconds"], row.get("val_miou") is not None) for row in outcome.history]
        found = plan.estimate(outcome.ended.seconds, rows)
        began = time.monotonic()
        self._score(outcome.folder / "best.pth", "val")
        scored = sum(split in self.splits for split in SCORED) * (time.monotonic() - began)
        return found._replace(start=found.start + scored)

    def _error_tail(self, ended: ProcessResult) -> str:
        """The end of a process's error output."""
        return ended.error[-1500:].replace(str(self.settings.work), "WORK")

    def _train_seed(self, schedule: _Schedule, seed: int) -> float:
        """Train with a seed, score and save the weights; return the seconds that this took."""
        began = time.monotonic()
        name = f"camvid-{schedule.network}-seed{seed}"
        row: dict[str, Any] = {
            "network": schedule.network,
            "seed": seed,
            "epochs": schedule.epochs,
            "speed_flags": schedule.speed_flags,
        }
        row |= {"epochs_done": 0, "seconds": 0.0, "best_val_miou": None, "miou": {}, "files": {}, "history": {}}
        self.result["trainings"].append(row)
        # A training that is much slower than estimated is stopped, and its best weights are kept.
        limit = min(self.left, 1.5 * schedule.time_needed.seconds(schedule.epochs) + 10)
        every = plan.validate_every(schedule.epochs)
        outcome = self._train(schedule.network, schedule.speed_flags, seed, schedule.epochs, name, limit, every, row)
        _update_row(row, outcome)
        if outcome.ended.code != 0:
            row["error"] = self._error_tail(outcome.ended)
            self.failed.append(f"{name}: ended with code {outcome.ended.code} after {len(outcome.history)} epochs")
        self.save()
        best = outcome.folder / "best.pth"
        if best.is_file():
            self._keep_weights(row, best, name)
            for split in SCORED:
                if split in self.splits:
                    row["miou"][split] = self._score(best, split)
                    self.save()
        return time.monotonic() - began

    def _train(
        self,
        network: str,
        speed_flags: str,
        seed: int,
        epochs: int,
        name: str,
        limit: float,
        validate_every: int,
        row: dict[str, Any] | None = None,
    ) -> TrainingOutcome:
        """Run train_fcn.py once; while it runs, the row of the record is updated from its history."""
        settings = self.settings
        folder = settings.work / "saved" / name
        arguments = ["train_fcn.py", "--recipe", RECIPES[network], "--root", str(self.root), *speed_flags.split()]
        arguments += ["--seed", str(seed), "--epochs", str(epochs), "--validate_every", str(validate_every)]
        arguments += [
            "--saved",
            str(folder.parent),
            "--name",
            name,
            "--accelerator",
            settings.device,
            "--curves",
            "none",
        ]
        if settings.rehearse:
            arguments += ["--network", tiny.NAME, "--crop_size", str(settings.sizes.toy_crop), "--batch_size", "4"]
            arguments += ["--workers", "1"]
        shutil.rmtree(folder, ignore_errors=True)
        # On SIGTERM a training saves its state, which takes a moment.
        job = Job(arguments, limit, start=settings.start, grace=10.0)
        looked = time.monotonic()

        def watch() -> None:
            nonlocal looked
            if row is not None and time.monotonic() - looked > _READ_EVERY:
                looked = time.monotonic()
                _update_row(row, TrainingOutcome(ProcessResult(None, job.seconds, "", ""), _history(folder), folder))
                self.save()

        return TrainingOutcome(job.wait(watch), _history(folder), folder)

    def _keep_weights(self, row: dict[str, Any], best: Path, name: str) -> None:
        """Save weights in parts, if that many more files can be copied back."""
        paths = weight_files.split(best, self.settings.output, f"{name}.pth", most=self._files)
        self._files -= len(paths)
        row["files"] = {path.name: sha256(path) for path in paths}
        if not paths:
            self.add_note(
                f"{name}: its weights were not saved, because they take more files than can still be copied back"
            )

    def _score(self, weights: Path, split: str) -> float | None:
        """Mean IoU of a split, from 0 to 1, by test_fcn.py; None if scoring failed."""
        settings, output = self.settings, self.settings.work / "scores"
        arguments = ["test_fcn.py", "--benchmark", "camvid", "--root", str(self.root), "--split", split]
        arguments += ["--model_weights_path", str(weights), "--output", str(output), "--profile_images", "0"]
        arguments += ["--accelerator", settings.device, *(["--workers", "1"] if settings.rehearse else [])]
        ended = Job(arguments, _SCORE_SECONDS, start=settings.start).wait()
        scores = output / weights.parent.name / split / "scores.json"
        if ended.code != 0 or not scores.is_file():
            self.failed.append(f"{weights.parent.name}: scoring {split} failed: {ended.error[-300:]}")
            return None
        found: float = json.loads(scores.read_text())["miou"]
        return found


def _update_row(row: dict[str, Any], outcome: TrainingOutcome) -> None:
    """Update a row of the record with a training's history."""
    speeds = [epoch["images_per_second"] for epoch in outcome.history]
    scores = [epoch["val_miou"] for epoch in outcome.history if epoch.get("val_miou") is not None]
    row |= {
        "epochs_done": max((epoch["epoch"] for epoch in outcome.history), default=0),
        "seconds": round(outcome.ended.seconds, 1),
        "best_val_miou": max(scores, default=None),
        "images_per_second": statistics.median(speeds) if speeds else None,
        # Only validated epochs: enough to draw a curve.
        "history": {
            name: [epoch[name] for epoch in outcome.history if epoch.get("val_miou") is not None]
            for name in ("epoch", "train_loss", "val_miou")
        },
    }


def _history(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's history so far, without a line that is still being written."""
    path = folder / "history.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
