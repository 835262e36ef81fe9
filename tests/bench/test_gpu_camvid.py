import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import gpu_camvid, gpu_settings, scenes, tiny
from bench.gpu_settings import PartSettings
from bench.launch import ProcessResult
from engine import checkpoints
from engine.checkpoints import About
from engine.errors import InputError
from tests.bench.test_gpu import settings

EPOCHS = 4
"""Epochs of a trial."""


class Machine:
    """Replaces processes: each one ends at once, but moves the fake clock on."""

    def __init__(self) -> None:
        self.now = self.seconds = 0.0
        self.start_seconds, self.epoch_seconds, self.score_seconds = 5.0, 1.0, 2.0
        self.broken: str | None = None
        """Value of a flag with which training fails; None if all work."""
        self.commands: list[dict[str, str]] = []

    def job(self, arguments: list[str], limit: float, start: object, grace: float = 0.0) -> "Machine":
        del start, grace
        flags = dict(zip(arguments[1::2], arguments[2::2], strict=False))
        self.commands.append({"": arguments[0], "limit": str(limit), **flags})
        return self

    def wait(self, watch: Callable[[], None] = lambda: None) -> ProcessResult:
        command = self.commands[-1]
        if command[""] == "test_fcn.py":
            return self._score(command)
        if self.broken and self.broken in command.values():
            self.now += 3
            return ProcessResult(1, 3.0, "", "RuntimeError: no graph")
        return self._train(command, watch)

    def _train(self, command: dict[str, str], watch: Callable[[], None]) -> ProcessResult:
        epochs, every = int(command["--epochs"]), int(command["--validate_every"])
        folder = Path(command["--saved"]) / command["--name"]
        folder.mkdir(parents=True)
        self.now += self.start_seconds
        seconds = self.start_seconds
        for epoch in range(1, epochs + 1):
            if seconds + self.epoch_seconds > float(command["limit"]):
                return ProcessResult(None, seconds, "", "")
            self.now += self.epoch_seconds
            seconds += self.epoch_seconds
            validated = epoch % every == 0 or epoch == epochs
            row = {"epoch": epoch, "train_loss": 1.0, "seconds": self.epoch_seconds, "images_per_second": 100.0}
            row["val_miou"] = epoch / 1000 if validated else None  # type: ignore[assignment]
            with (folder / "history.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            if validated:
                about = About(tiny.NAME, 11, "camvid", (0, 0, 0), (1, 1, 1), epoch, epoch / 1000)
                checkpoints.save(folder / "best.pth", tiny.build(11).state_dict(), about)
            watch()
        return ProcessResult(0, seconds, "", "")

    def _score(self, command: dict[str, str]) -> ProcessResult:
        self.now += self.score_seconds
        name = Path(command["--model_weights_path"]).parent.name
        path = Path(command["--output"]) / name / command["--split"] / "scores.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"miou": 0.6}))
        return ProcessResult(0, self.score_seconds, "", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    there = Machine()
    monkeypatch.setattr(gpu_camvid, "Job", there.job)
    monkeypatch.setattr("bench.gpu_camvid.time.monotonic", lambda: there.now)
    monkeypatch.setattr(gpu_settings, "TOY", replace(gpu_settings.TOY, epochs=800, trial_epochs=EPOCHS))
    return there


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., PartSettings]:
    scenes.draw_camvid(tmp_path / "data", (32, 32), train=1, val=1, test=1)

    def build(seconds: float, seeds: int = 3) -> PartSettings:
        (tmp_path / "out").mkdir(exist_ok=True)
        return replace(
            settings(tmp_path, tmp_path / "data"),
            output=tmp_path / "out",
            seconds=seconds,
            seeds=tuple(range(seeds)),
            networks=("fcn8s", "unet"),
        )

    return build


def result_of(given: PartSettings) -> tuple[list[str], dict[str, Any]]:
    kept: list[str] = []
    failed = gpu_camvid.run(given, lambda result: kept.append(json.dumps(result)))
    return failed, json.loads(kept[-1])


def test_all_seeds_get_as_many_epochs_as_fit(machine: Machine, make_settings: Callable[..., PartSettings]) -> None:
    failed, result = result_of(make_settings(400))
    assert failed == []
    trainings = [row for row in result["trainings"] if row["network"] == "fcn8s"]
    assert [row["seed"] for row in trainings] == [0, 1, 2]
    (epochs,) = {row["epochs"] for row in trainings}
    assert 90 < epochs < 130
    assert {row["epochs_done"] for row in trainings} == {epochs}
    assert all(row["miou"] == {"val": 0.6, "test": 0.6} for row in trainings)
    assert 300 < machine.now < 400
    assert 0 < len(trainings[0]["history"]["val_miou"]) <= 21


def test_the_remaining_time_goes_to_the_other_network(
    machine: Machine, make_settings: Callable[..., PartSettings]
) -> None:
    machine.epoch_seconds = 0.05
    _, result = result_of(make_settings(1000))
    assert [(row["network"], row["seed"]) for row in result["trainings"]] == [
        ("fcn8s", 0),
        ("fcn8s", 1),
        ("fcn8s", 2),
        ("unet", 0),
    ]
    assert result["trainings"][0]["epochs"] == 800


def test_speed_flags_that_fail_are_reported_and_the_next_ones_used(
    machine: Machine, make_settings: Callable[..., PartSettings]
) -> None:
    machine.broken = "true"  # --cuda_graph
    failed, result = result_of(make_settings(300, seeds=1))
    assert "the trial with --data_on device --cuda_graph true ended with code 1" in failed[0]
    assert result["trials"][0]["error"] == "RuntimeError: no graph"
    assert result["trainings"][0]["speed_flags"] == "--data_on device --cuda_graph false"
    assert result["trainings"][0]["epochs_done"] > 0


def test_a_training_slower_than_its_trial_is_stopped_and_kept(
    machine: Machine, make_settings: Callable[..., PartSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = gpu_camvid._CamVid._schedule

    def slow(camvid: Any, *arguments: Any) -> Any:
        schedule = original(camvid, *arguments)
        machine.epoch_seconds = 10
        return schedule

    monkeypatch.setattr(gpu_camvid._CamVid, "_schedule", slow)
    failed, result = result_of(replace(make_settings(300), networks=("fcn8s",)))
    first = result["trainings"][0]
    assert 0 < first["epochs_done"] < first["epochs"]
    assert "ended with code None" in failed[0]
    assert first["best_val_miou"] == max(first["history"]["val_miou"])
    assert first["miou"] == {"val": 0.6, "test": 0.6}
    assert list(first["files"]) == ["camvid-fcn8s-seed0.pth.1of1"]
    assert machine.now < 300


def test_too_little_time_trains_nothing(machine: Machine, make_settings: Callable[..., PartSettings]) -> None:
    del machine
    failed, result = result_of(replace(make_settings(50), networks=("fcn8s",)))
    assert (failed, result["trainings"]) == ([], [])
    assert "no training of 2 epochs or more worked or fitted" in result["notes"][0]


def test_no_more_files_are_saved_than_can_be_copied_back(
    machine: Machine, make_settings: Callable[..., PartSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    del machine
    monkeypatch.setattr(gpu_settings, "FILES_BACK", 3)
    here = make_settings(400)
    _, result = result_of(here)
    assert [len(row["files"]) for row in result["trainings"]] == [1, 1, 0, 0]
    assert "take more files than can still be copied back" in result["notes"][0]
    assert len(list(here.output.iterdir())) == 2


def test_only_test_images_may_be_missing(machine: Machine, make_settings: Callable[..., PartSettings]) -> None:
    del machine
    here = make_settings(300, seeds=1)
    assert here.root is not None
    shutil.rmtree(here.root / "CamVid" / "test")
    _, result = result_of(here)
    assert list(result["trainings"][0]["miou"]) == ["val"]
    shutil.rmtree(here.root / "CamVid" / "val")
    with pytest.raises(InputError, match="val"):
        gpu_camvid.run(here, lambda _: None)
