"""CamVid from random weights in the time that is left: a trial, then seed after seed, by the product's own commands."""

import json
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench import gpu_setting, plan, tiny, weight_files
from bench.gpu_setting import Keep, Setting
from bench.launch import Ended, Job
from camvid.layout import segnet_samples
from engine.errors import InputError
from engine.files.atomic import sha256

RECIPES = {"fcn8s": "fcn8s_camvid_scratch", "unet": "unet_camvid_scratch"}
"""Network -> recipe."""
WAYS = (
    "--data_on device --cuda_graph true",
    "--data_on device --cuda_graph false",
    "--data_on workers --workers 12 --cuda_graph false",
)
"""Flags of train_fcn.py that decide how fast it trains, not what it learns; the first that works is used."""
_SCORE_SECONDS = 60.0
"""After which scoring a split is given up."""
_LAST_SECONDS = 10.0
"""Kept back for the weights of the last training."""
SCORED = ("val", "test")
_LEAST_EPOCHS = 2
_READ_EVERY = 2.0
"""Seconds between two looks at the history of a training that runs."""


class Trained(NamedTuple):
    """What came of a training."""

    ended: Ended
    history: list[dict[str, Any]]
    folder: Path


@dataclass
class _Plan:
    """How a network is trained."""

    network: str
    way: str
    pace: plan.Pace
    epochs: int


def run(setting: Setting, keep: Keep) -> list[str]:
    """Train, score, and bring the weights to where they are kept.

    Returns:
        What failed.
    """
    camvid = _CamVid(setting, keep)
    for number, network in enumerate(setting.networks):
        share = 1 if number else len(setting.seeds)
        camvid.train_network(network, setting.seeds[:share])
    return camvid.failed


def table(result: dict[str, Any]) -> str:
    """The result as text to print."""
    lines = [
        f"  {row['network']:<6} seed {row['seed']}  {row['epochs_done']:>4} of {row['epochs']} epochs  "
        f"{row['seconds']:6.1f} s  best val {_percent(row['best_val_miou'])}  "
        + "  ".join(f"{split} {_percent(value)}" for split, value in row["miou"].items())
        for row in result.get("trainings", ())
    ]
    return "\n".join([*lines, *(f"  {line}" for line in result.get("notes", ()))]) or "  nothing trained"


class _CamVid:
    """The trainings of one run."""

    def __init__(self, setting: Setting, keep: Keep) -> None:
        self.setting, self._keep = setting, keep
        self.failed: list[str] = []
        self.root = setting.root if setting.root is not None else Path()
        self._until = time.monotonic() + setting.seconds
        self._files = gpu_setting.FILES_BACK - 1  # the record is one
        self.splits = {}
        for split in ("train", *SCORED):
            try:
                self.splits[split] = len(segnet_samples(self.root, split))
            except InputError:
                if split != "test":  # without it there are the weights, to be scored elsewhere
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
        """Seconds for trainings."""
        return self._until - time.monotonic() - _LAST_SECONDS

    def keep(self) -> None:
        """Keep what there is."""
        self._keep(self.result)

    def note(self, text: str) -> None:
        """Keep a sentence."""
        self.result["notes"].append(text)
        self.keep()

    def train_network(self, network: str, seeds: tuple[int, ...]) -> None:
        """Find out how long it takes, and train with all seeds for as many epochs as then fit."""
        planned = self._planned(network, len(seeds))
        if planned is None:
            return
        taken: list[float] = []
        for seed in seeds:
            if not plan.another_fits(self.left, taken):
                self.note(f"{network}: no time was left for seed {seed}")
                continue
            taken.append(self._train_seed(planned, seed))

    def _planned(self, network: str, runs: int) -> _Plan | None:
        """The first way to train that works, and the epochs that fit."""
        for way in WAYS:
            if self.left <= 0:
                break
            row: dict[str, Any] = {"network": network, "way": way}
            self.result["trials"].append(row)
            epochs, limit = self.setting.sizes.trial_epochs, self.left / 3
            trained = self._train(network, way, 0, epochs, f"trial-{network}", limit, epochs // 2)
            row["seconds"] = round(trained.ended.seconds, 1)
            if trained.ended.code != 0 or len(trained.history) < epochs:
                row["error"] = self._end(trained.ended)
                self.failed.append(f"{network}: the trial with {way} ended with code {trained.ended.code}")
                self.keep()
                continue
            found = self._pace(trained)
            fit = plan.epochs_that_fit(self.left, runs, found, self.setting.sizes.epochs)
            row |= {"pace": {name: round(value, 4) for name, value in found._asdict().items()}, "epochs": fit}
            self.keep()
            if fit < _LEAST_EPOCHS:
                break
            return _Plan(network, way, found, fit)
        self.note(f"{network}: no way to train it for {_LEAST_EPOCHS} epochs or more in the time that was left")
        return None

    def _pace(self, trained: Trained) -> plan.Pace:
        """What a training takes, scoring included, which is tried here for the first time."""
        rows = [(row["seconds"], row.get("val_miou") is not None) for row in trained.history]
        found = plan.pace(trained.ended.seconds, rows)
        began = time.monotonic()
        self._score(trained.folder / "best.pth", "val")
        scored = sum(split in self.splits for split in SCORED) * (time.monotonic() - began)
        return found._replace(start=found.start + scored)

    def _end(self, ended: Ended) -> str:
        """What a process said last."""
        return ended.error[-1500:].replace(str(self.setting.work), "WORK")

    def _train_seed(self, planned: _Plan, seed: int) -> float:
        """Train, score, keep weights; the seconds that this took."""
        began = time.monotonic()
        name = f"camvid-{planned.network}-seed{seed}"
        row: dict[str, Any] = {"network": planned.network, "seed": seed, "epochs": planned.epochs, "way": planned.way}
        row |= {"epochs_done": 0, "seconds": 0.0, "best_val_miou": None, "miou": {}, "files": {}, "history": {}}
        self.result["trainings"].append(row)
        # A training that is slower than planned is stopped, and its best weights are kept.
        limit = min(self.left, 1.5 * planned.pace.seconds(planned.epochs) + 10)
        every = plan.validate_every(planned.epochs)
        trained = self._train(planned.network, planned.way, seed, planned.epochs, name, limit, every, row)
        _describe(row, trained)
        if trained.ended.code != 0:
            row["error"] = self._end(trained.ended)
            self.failed.append(f"{name}: ended with code {trained.ended.code} after {len(trained.history)} epochs")
        self.keep()
        best = trained.folder / "best.pth"
        if best.is_file():
            self._keep_weights(row, best, name)
            for split in SCORED:
                if split in self.splits:
                    row["miou"][split] = self._score(best, split)
                    self.keep()
        return time.monotonic() - began

    def _train(
        self,
        network: str,
        way: str,
        seed: int,
        epochs: int,
        name: str,
        limit: float,
        validate_every: int,
        row: dict[str, Any] | None = None,
    ) -> Trained:
        """One training by the product's command; a row is given what its history says, while it runs."""
        setting = self.setting
        folder = setting.work / "saved" / name
        words = ["train_fcn.py", "--recipe", RECIPES[network], "--root", str(self.root), *way.split()]
        words += ["--seed", str(seed), "--epochs", str(epochs), "--validate_every", str(validate_every)]
        words += ["--saved", str(folder.parent), "--name", name, "--accelerator", setting.device, "--curves", "none"]
        if setting.rehearse:
            words += ["--network", tiny.NAME, "--crop_size", str(setting.sizes.toy_crop), "--batch_size", "4"]
            words += ["--workers", "1"]
        shutil.rmtree(folder, ignore_errors=True)
        # The signal makes it save what it has, which takes a moment.
        job = Job(words, limit, start=setting.start, grace=10.0)
        looked = time.monotonic()

        def watch() -> None:
            nonlocal looked
            if row is not None and time.monotonic() - looked > _READ_EVERY:
                looked = time.monotonic()
                _describe(row, Trained(Ended(None, job.seconds, "", ""), _history(folder), folder))
                self.keep()

        return Trained(job.wait(watch), _history(folder), folder)

    def _keep_weights(self, row: dict[str, Any], best: Path, name: str) -> None:
        """Copy weights in parts, if so many files may still come back."""
        paths = weight_files.split(best, self.setting.output, f"{name}.pth", most=self._files)
        self._files -= len(paths)
        row["files"] = {path.name: sha256(path) for path in paths}
        if not paths:
            self.note(f"{name}: its weights take more files than may still come back, so they were left there")

    def _score(self, weights: Path, split: str) -> float | None:
        """The mean IoU of a split, by the product's command."""
        setting, output = self.setting, self.setting.work / "scores"
        words = ["test_fcn.py", "--benchmark", "camvid", "--root", str(self.root), "--split", split]
        words += ["--model_weights_path", str(weights), "--output", str(output), "--profile_images", "0"]
        words += ["--accelerator", setting.device, *(["--workers", "1"] if setting.rehearse else [])]
        ended = Job(words, _SCORE_SECONDS, start=setting.start).wait()
        scores = output / weights.parent.name / split / "scores.json"
        if ended.code != 0 or not scores.is_file():
            self.failed.append(f"{weights.parent.name}: scoring {split} failed: {ended.error[-300:]}")
            return None
        found: float = json.loads(scores.read_text())["miou"]
        return found


def _describe(row: dict[str, Any], trained: Trained) -> None:
    """What a history says, into a row of the record."""
    speeds = [epoch["images_per_second"] for epoch in trained.history]
    scores = [epoch["val_miou"] for epoch in trained.history if epoch.get("val_miou") is not None]
    row |= {
        "epochs_done": max((epoch["epoch"] for epoch in trained.history), default=0),
        "seconds": round(trained.ended.seconds, 1),
        "best_val_miou": max(scores, default=None),
        "images_per_second": statistics.median(speeds) if speeds else None,
        # Only epochs that were validated, because a curve needs no more.
        "history": {
            name: [epoch[name] for epoch in trained.history if epoch.get("val_miou") is not None]
            for name in ("epoch", "train_loss", "val_miou")
        },
    }


def _history(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run so far; a line that is being written is left out."""
    path = folder / "history.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
