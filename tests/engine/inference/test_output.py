"""Predicting many images: in bounded memory, killed and run again, and by two processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import catalogue
import catalogue.weights
import test_fcn
from engine.arrays import Size, UInt8Array
from engine.benchmark import Sample
from engine.devices.process import find_process
from engine.errors import InputError
from engine.files.atomic import sha256
from engine.files.images import note_of, read_ids, read_image, write_png
from engine.files.lock import exclusive
from engine.inference.output import Predictions, origin_of
from engine.inference.pipeline import Predictor, predict

REPOSITORY = Path(__file__).parents[3]
CITY = "leftImg8bit/test/berlin"


@pytest.fixture
def fcn32s(tmp_path: Path) -> Path:
    """Random weights of a built-in network."""
    torch.manual_seed(0)
    torch.save(catalogue.network("fcn32s", 19).state_dict(), tmp_path / "fcn32s.pth")
    return tmp_path / "fcn32s.pth"


def many(demo_root: Path, root: Path, number: int) -> Path:
    """A test split with so many images."""
    image = next((demo_root / "leftImg8bit" / "test").rglob("*.png"))
    (root / CITY).mkdir(parents=True)
    for place in range(number):
        shutil.copyfile(image, root / CITY / f"berlin_{place:06}_000019_leftImg8bit.png")
    return root


def arguments(weights: Path, root: Path, output: Path) -> list[str]:
    files = ["--model_weights_path", str(weights), "--root", str(root), "--output", str(output)]
    return [*files, "--accelerator", "cpu", "--profile_images", "0", "--workers", "1"]


class InMemory(Predictions):
    """Counts the images that are in memory: decoded, and not written yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ".png", {})
        self.now = self.most = self.written = 0
        self.lock = threading.Lock()

    def decode(self, path: Path) -> UInt8Array:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        return np.full((2, 3, 3), int(path.stem) % 256, np.uint8)

    def write(self, sample: Sample, image: UInt8Array, prediction: UInt8Array) -> None:
        assert image[0, 0, 0] == prediction[0, 0] == int(sample.name) % 256
        with self.lock:
            self.now -= 1
            self.written += 1


@pytest.mark.parametrize("workers", [1, 3])
def test_memory_does_not_depend_on_the_number_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    class First:
        device = torch.device("cpu")

        def __call__(self, image: torch.Tensor) -> torch.Tensor:
            return image[0, 0]

        precision = "32-true"
        bounds_memory = False

        def require_finite(self) -> None:
            """Accept all images."""

        def logits(self, image: torch.Tensor) -> torch.Tensor:
            return image.float()

        def classify(self, logits: torch.Tensor) -> torch.Tensor:
            return logits[0].to(torch.uint8)

        def prepare(self, size: Size, *, logits: bool = False) -> None:
            """Do nothing."""

    count = InMemory(tmp_path / "out")
    predictor = Predictor(First())
    monkeypatch.setattr(predictor, "decode", count.decode)
    samples = [Sample(str(number), Path(f"{number}.png"), None) for number in range(500)]
    assert predict(find_process("cpu", "32-true"), predictor, samples, count, workers=workers) == []
    assert count.written == 500
    assert count.most <= 2 * (2 * workers + 1) + 2


KILLED = """
import os, signal, sys
import test_fcn
from engine.inference.output import Predictions

write, done = Predictions.write, []

def write_and_die(*arguments):
    write(*arguments)
    done.append(arguments)
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

Predictions.write = write_and_die
test_fcn.main(sys.argv[1:])
"""


def test_a_killed_prediction_resumes(demo_root: Path, tmp_path: Path, weights: Path) -> None:
    root = many(demo_root, tmp_path / "data", 40)
    command = arguments(weights, root, tmp_path / "out")
    folder = tmp_path / "out" / "w" / "test" / "predictions"
    killed = subprocess.run([sys.executable, "-c", KILLED, *command], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in folder.rglob("*_labelId_preds.png")}
    assert 3 <= len(done) < 40
    assert all(read_ids(path).shape == (128, 256) for path in done), "no half-written file"
    left = folder / "berlin" / ".a_labelId_preds.png.1.part"
    left.write_bytes(b"what a killed process leaves")
    assert test_fcn.main(command) == 0
    assert all(path.stat().st_mtime_ns == before for path, before in done.items()), "finished predictions are kept"
    assert len(list(folder.rglob("*.png"))) == 40
    assert not left.exists()
    with zipfile.ZipFile(tmp_path / "out" / "w" / "test" / "submission.zip") as archive:
        assert len(archive.namelist()) == 40


def holiday(folder: Path, *names: str, ids: int = 100) -> Path:
    """A folder of images."""
    for name in names:
        pixels = np.random.default_rng(ids).integers(0, 256, (64, 96, 3), np.uint8)
        write_png(folder / name, pixels)
    return folder


def predicted(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The first line that a successful prediction prints."""
    assert test_fcn.main(command) == 0
    return capsys.readouterr().out.splitlines()[0]


def test_a_rerun_keeps_predictions_of_the_same_images_only(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = holiday(tmp_path / "one", "a.png", "b.png", ids=1), holiday(tmp_path / "other", "a.png", ids=2)
    out = tmp_path / "out"
    first, second = ([*arguments(weights, tmp_path, out), "--images", str(folder)] for folder in (one, other))
    assert "kept" not in predicted(first, capsys)
    folder = out / "w" / "images"
    before = read_ids(folder / "predictions" / "a_labelId_preds.png")
    assert predicted(first, capsys).endswith("; 2 of them were kept from an earlier run")

    printed = predicted(second, capsys)
    assert "kept" not in printed
    assert printed.endswith("; 2 were removed (damaged, or of other images, weights or settings)")
    assert not np.array_equal(read_ids(folder / "predictions" / "a_labelId_preds.png"), before), "another image"
    left = {path.name for path in folder.rglob("*.png")}
    assert left == {"a_labelId_preds.png", "a_overlay.png", "legend.png"}, "results of missing images are removed"

    assert "kept" not in predicted(first, capsys)
    assert np.array_equal(read_ids(folder / "predictions" / "a_labelId_preds.png"), before)
    shutil.copyfile(other / "a.png", one / "a.png")
    (folder / "overlays" / "b_overlay.png").unlink()
    assert "kept" not in predicted(first, capsys), "one image changed, one has no overlay"
    (folder / "predictions" / "a_labelId_preds.png").write_bytes(b"\x89PNG damaged")
    assert "; 1 of them were kept from an earlier run; 1 were removed" in predicted(first, capsys)
    assert read_ids(folder / "predictions" / "a_labelId_preds.png").shape == (64, 96)
    (folder / "predictions.json").write_text("[1]")
    assert "kept" not in predicted(first, capsys), "predictions.json is not a valid record"


def test_a_prediction_records_its_origin(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = holiday(tmp_path / "images", "a.png")
    command = [*arguments(weights, tmp_path, tmp_path / "out"), "--images", str(images)]
    assert "kept" not in predicted(command, capsys)
    folder = tmp_path / "out" / "w" / "images"
    prediction = folder / "predictions" / "a_labelId_preds.png"
    before = prediction.read_bytes()
    assert json.loads((folder / "predictions.json").read_text())["source"] == {"images": str(images.resolve())}
    assert note_of(prediction, "Weights") == sha256(weights)
    assert note_of(folder / "overlays" / "a_overlay.png", "Weights") == sha256(weights)

    write_png(prediction, np.zeros((64, 96), np.uint8))
    assert "kept" not in predicted(command, capsys), "an undamaged PNG of other origin"
    assert prediction.read_bytes() == before, "the same weights, settings and image give the same bytes"

    write_png(folder / "overlays" / "a_overlay.png", np.zeros((64, 96, 3), np.uint8))
    assert "kept" not in predicted(command, capsys), "an overlay of other origin"

    other = shutil.copyfile(weights, tmp_path / "w.pth")
    content = torch.load(other, weights_only=True)
    torch.save(content | {"more": 1}, other)
    assert "kept" not in predicted([*arguments(other, tmp_path, tmp_path / "out2"), "--images", str(images)], capsys)
    shutil.copyfile(tmp_path / "out2" / "w" / "images" / "predictions" / prediction.name, prediction)
    assert "kept" not in predicted(command, capsys), "a prediction of other weights"
    assert prediction.read_bytes() == before


def test_weights_that_are_replaced_during_a_prediction_are_not_recorded_as_its_weights(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, before = shutil.copyfile(weights, tmp_path / "w.pth"), sha256(weights)
    command = [*arguments(mine, tmp_path, tmp_path / "out"), "--images", str(holiday(tmp_path / "images", "a.png"))]
    load = catalogue.weights.load_network_for

    def replaced(*given: Any) -> Any:
        loaded = load(*given)
        content = torch.load(mine, weights_only=True)
        content["weights"]["up.bias"][7] += 100
        torch.save(content, mine)
        return loaded

    monkeypatch.setattr("catalogue.weights.load_network_for", replaced)
    predicted(command, capsys)
    prediction = tmp_path / "out" / "w" / "images" / "predictions" / "a_labelId_preds.png"
    assert note_of(prediction, "Weights") == before
    old = read_ids(prediction)
    monkeypatch.setattr("catalogue.weights.load_network_for", load)
    assert "kept" not in predicted(command, capsys)
    assert note_of(prediction, "Weights") == sha256(mine) != before
    assert not np.array_equal(read_ids(prediction), old)


def test_files_made_from_old_predictions_are_removed_before_these_change(
    demo_root: Path, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = many(demo_root, tmp_path / "data", 2)
    command = arguments(weights, root, tmp_path / "out")
    folder = tmp_path / "out" / "w" / "test"
    results = [folder / "submission.zip", folder / "submission.zip.manifest.json"]
    assert test_fcn.main(command) == 0
    before = [path.read_bytes() for path in results]
    monkeypatch.setattr(Predictions, "write", lambda *_: pytest.fail("all predictions exist already"))
    monkeypatch.setattr("cityscapes.dataset.CityscapesBenchmark.pack", lambda *_: "packed")
    assert test_fcn.main(command) == 0
    assert [path.read_bytes() for path in results] == before, "all predictions are kept, so the zip is still valid"

    def full(*_: object) -> None:
        raise InputError("the disk is full")

    monkeypatch.setattr(Predictions, "write", full)
    assert test_fcn.main([*command, "--flip"]) == 2
    assert not any(path.exists() for path in results)


def test_a_second_command_in_the_same_folder_is_refused(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*arguments(weights, tmp_path, tmp_path / "out"), "--images", str(holiday(tmp_path / "images", "a.png"))]
    folder = tmp_path / "out" / "w" / "images"
    folder.mkdir(parents=True)
    monkeypatch.setattr(test_fcn, "exclusive", partial(exclusive, patience=0.0))
    with exclusive(folder, ""):
        assert test_fcn.main(command) == 2
    assert "another command is working in this folder; wait for it, or give another --output" in capsys.readouterr().err
    assert test_fcn.main(command) == 0


def test_results_in_the_folder_of_images_are_not_predicted(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = holiday(tmp_path / "images", "a.png", "trip/b.png")
    for output in (images, images / "out"):
        command = [*arguments(weights, tmp_path, output), "--images", str(images)]
        for _ in range(2):
            assert ": 2 predictions" in predicted(command, capsys)


def test_two_processes_predict_each_image_once(demo_root: Path, tmp_path: Path, weights: Path) -> None:
    root = many(demo_root, tmp_path / "data", 5)
    assert test_fcn.main(arguments(weights, root, tmp_path / "one")) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "test_fcn.py", *arguments(weights, root, tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.count("5 predictions of bench.tiny:build") == 1
    names = []
    for output in ("one", "two"):
        folder = tmp_path / output / "w" / "test"
        with zipfile.ZipFile(folder / "submission.zip") as archive:
            names.append(archive.namelist())
        assert [path.name for path in folder.glob("*.zip")] == ["submission.zip"]
    assert names[0] == names[1]
    assert len(names[0]) == 5


def test_nothing_is_scored_or_packed_while_predictions_of_other_processes_are_missing(
    demo_root: Path, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(test_fcn, "predict", lambda *_, **__: [])
    assert test_fcn.main(arguments(weights, demo_root, tmp_path)) == 2
    assert "2 of 2 images are not predicted; the other processes print why" in capsys.readouterr().err


def test_a_record_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "predictions.json").mkdir()
    with pytest.raises(InputError, match=r"predictions\.json: got a folder"):
        origin_of(tmp_path / "predictions")


def test_scales_make_other_predictions_and_are_recorded(demo_root: Path, tmp_path: Path, weights: Path) -> None:
    root = many(demo_root, tmp_path / "data", 1)
    command = arguments(weights, root, tmp_path / "out")
    prediction = tmp_path / "out" / "w" / "test" / "predictions" / "berlin" / "berlin_000000_000019_labelId_preds.png"
    assert test_fcn.main(command) == 0
    plain = read_ids(prediction)
    assert test_fcn.main([*command, "--flip", "--scales", "0.5,1", "--window", "96"]) == 0
    assert not np.array_equal(read_ids(prediction), plain), "other scales, so predicted again"
    assert '"window": 96' in prediction.parents[2].joinpath("predictions.json").read_text()


def test_a_memory_budget_does_not_change_predictions(
    demo_root: Path, tmp_path: Path, fcn32s: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = read_image(next(demo_root.rglob("*_leftImg8bit.png")))
    write_png(tmp_path / "images" / "wide.png", np.tile(small, (1, 4, 1)))
    command = [*arguments(fcn32s, demo_root, tmp_path / "out"), "--precision", "32-true"]
    command += ["--images", str(tmp_path / "images")]
    assert test_fcn.main(command) == 0
    prediction = next((tmp_path / "out").rglob("predictions/wide_*.png"))
    plain = read_ids(prediction)
    most = plain.size * 2 // 3
    monkeypatch.setattr(
        "engine.inference.memory_budget.MemoryBudget.peak",
        lambda self, size: self._peaks.setdefault(size, 100 * size.pixels / most),
    )
    assert test_fcn.main([*command, "--memory_budget", "100"]) == 0
    assert np.array_equal(read_ids(prediction), plain)
    assert test_fcn.main([*command, "--memory_budget", "-1"]) == 2
    assert "--memory_budget -1: expected at least 0" in capsys.readouterr().err


def test_one_process_starts_without_the_libraries_of_training(demo_root: Path, fcn32s: Path, tmp_path: Path) -> None:
    program = (
        "import sys, test_fcn; test_fcn.main(sys.argv[1:]); "
        "print({'lightning_fabric', 'torchvision', 'torch._dynamo', 'matplotlib'} & {*sys.modules})"
    )
    chosen = arguments(fcn32s, many(demo_root, tmp_path / "data", 1), tmp_path / "out")
    words = [sys.executable, "-c", program, *chosen, "--profile_images", "1"]
    done = subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"
