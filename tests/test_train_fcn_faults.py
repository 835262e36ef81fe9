"""train_fcn.py on invalid input: its messages, and that its processes end with it."""

import multiprocessing
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import train_fcn
from engine.files.images import read_ids, write_png
from engine.files.lock import exclusive
from engine.ranges import Range
from engine.training.config import RANGES
from tests.conftest import Ending


def test_no_data(tmp_path: Path, error_of: Ending) -> None:
    assert "no such folder" in error_of(train_fcn.main, "--root", tmp_path / "nothing")
    assert "neither leftImg8bit/ nor gtFine/ in it" in error_of(train_fcn.main, "--root", tmp_path)


def test_masks_that_were_not_drawn(changed_root: Path, error_of: Ending) -> None:
    shutil.rmtree(changed_root / "generated_gt" / "val")
    message = error_of(train_fcn.main, "--root", changed_root)
    assert "3 of 3 masks of the val split are missing" in message
    assert "python generate_gt.py --root" in message


def test_the_faults_of_both_splits_are_reported_together(changed_root: Path, error_of: Ending) -> None:
    shutil.rmtree(changed_root / "generated_gt")
    message = error_of(train_fcn.main, "--root", changed_root)
    assert "masks of the train split are missing" in message
    assert "3 of 3 masks of the val split are missing" in message


def test_masks_and_images_of_different_sizes(changed_root: Path, tiny_training: list[str], error_of: Ending) -> None:
    masks = sorted((changed_root / "generated_gt").glob("*/*/*_trainId.png"))
    for path in masks[:2]:
        write_png(path, np.zeros((64, 128), np.uint8))
    message = error_of(train_fcn.main, *tiny_training, "--root", changed_root)
    assert message.count("error:") == 2
    assert f"{masks[0]}: the mask is 128 x 64, its image 256 x 128" in message


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_truncated_image(
    changed_root: Path, tiny_training: list[str], error_of: Ending, workers: str, split: str
) -> None:
    path = next((changed_root / "leftImg8bit" / split).rglob("*.png"))
    path.write_bytes(path.read_bytes()[:5000])
    message = error_of(train_fcn.main, *tiny_training, "--root", changed_root, "--workers", workers)
    assert message.count("error:") == 1
    assert f"{path}: damaged image" in message


def test_a_truncated_image_of_validation_ends_the_command(changed_root: Path, tiny_training: list[str]) -> None:
    """The message was printed, but the command waited for its processes forever."""
    path = next((changed_root / "leftImg8bit" / "val").rglob("*.png"))
    path.write_bytes(path.read_bytes()[:5000])
    line = [sys.executable, train_fcn.__file__, *tiny_training, "--root", str(changed_root), "--workers", "1"]
    ended = subprocess.run(line, check=False, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr.count("error:")) == (2, 1)


@pytest.mark.parametrize(
    "more", [["--workers", "1"], ["--cache", "CACHE"], ["--data_on", "device"], ["--class_uniform", "1"]]
)
@pytest.mark.parametrize("split", ["train", "val"])
def test_an_id_that_is_not_a_class(
    changed_root: Path, tiny_training: list[str], tmp_path: Path, error_of: Ending, more: list[str], split: str
) -> None:
    path = next((changed_root / "generated_gt" / split).rglob("*_trainId.png"))
    ids = read_ids(path).copy()
    ids[-1, -1] = 19
    write_png(path, ids)
    more = [str(tmp_path / "cache") if word == "CACHE" else word for word in more]
    message = error_of(train_fcn.main, *tiny_training, "--root", changed_root, "--epochs", "1", *more)
    assert message.startswith(f"error: {path}: id 19 on 1 pixels, expected 0 to 18 or 255; ")
    assert message.count("error:") == 1


def test_validation_masks_of_void_alone(changed_root: Path, tiny_training: list[str], error_of: Ending) -> None:
    for path in (changed_root / "generated_gt" / "val").rglob("*_trainId.png"):
        write_png(path, np.full_like(read_ids(path), 255))
    message = error_of(train_fcn.main, *tiny_training, "--root", changed_root)
    assert "all pixels of this mask and of all other masks to validate on (3 in all) are void" in message


def test_a_folder_that_cannot_be_written_to(tiny_training: list[str], tmp_path: Path, error_of: Ending) -> None:
    (tmp_path / "saved").write_text("a file where the folder should be")
    assert "cannot write here" in error_of(train_fcn.main, *tiny_training)


def test_numbers_out_of_range_are_all_listed(error_of: Ending) -> None:
    message = error_of(train_fcn.main, "--batch_size", "0", "--epochs", "-1", "--learning_rate", "0")
    assert message.count("error:") == 3


def test_unknown_names(tiny_training: list[str], error_of: Ending) -> None:
    assert "choose from fcn32s" in error_of(train_fcn.main, *tiny_training, "--network", "fcn9s")
    assert "choose from cityscapes" in error_of(train_fcn.main, *tiny_training, "--benchmark", "townscapes")
    assert "--momentum 1.0: expected at least 0 and less than 1" in error_of(
        train_fcn.main, *tiny_training, "--momentum", "1"
    )


def test_another_configuration_under_the_same_name(tiny_training: list[str], error_of: Ending) -> None:
    named = [*tiny_training, "--name", "a", "--epochs", "0"]
    assert train_fcn.main(named) == 0
    assert "seed 0 -> 1" in error_of(train_fcn.main, *named, "--seed", "1")


def test_a_nan_loss(tiny_training: list[str], error_of: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RANGES, "learning_rate", Range(0, 1e31))
    message = error_of(train_fcn.main, *tiny_training, "--learning_rate", "1e30", "--optimizer", "sgd", "--epochs", "3")
    assert "the loss is nan in epoch" in message
    assert "aachen/aachen_0000" in message or "bremen/bremen_0000" in message
    assert "Lower --learning_rate" in message


def test_a_second_command_in_the_same_run_is_refused(
    tiny_training: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_of: Ending
) -> None:
    command = [*tiny_training, "--name", "a", "--epochs", "0"]
    folder = tmp_path / "saved" / "a"
    folder.mkdir(parents=True)
    being_written = folder / ".last.pth.17.part"
    being_written.touch()
    monkeypatch.setattr(train_fcn, "exclusive", partial(exclusive, patience=0.0))
    with exclusive(folder, ""):
        message = error_of(train_fcn.main, *command)
    assert (
        message == f"error: {folder}: another command is working in this folder; wait for it, or give another --name\n"
    )
    assert being_written.exists()
    assert train_fcn.main(command) == 0
    assert not being_written.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/tmp/a", "a\x1b[2J"])
def test_a_name_that_is_not_a_folder_of_a_run(tiny_training: list[str], name: str, error_of: Ending) -> None:
    assert "expected the name of a folder inside" in error_of(train_fcn.main, *tiny_training, "--name", name)


def test_oversized_batches_are_reported_before_the_work(
    tiny_training: list[str], capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    assert train_fcn.main([*tiny_training, "--epochs", "0", "--batch_size", "50", "--crop_size", "2048"]) == 0
    printed = capsys.readouterr().out
    assert "warning: each step takes 50 crops of" in printed
    assert "warning: --crop_size 2048 is more than twice the longest side of all images" in printed
    message = error_of(train_fcn.main, *tiny_training, "--batch_size", "60000", "--crop_size", "16000")
    assert "the crops of one step take 245760 GB, but there are" in message


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            "killing",
            r"DataLoader worker \(pid \d+\) is killed by signal: Killed; .*give fewer --workers; the last saved state",
        ),
        ("huge", r"error: CUDA out of memory\. Tried to allocate 2\.00 GiB; give a smaller --batch_size or"),
    ],
    ids=["killed worker", "full GPU"],
)
def test_too_little_memory(tiny_training: list[str], error_of: Ending, network: str, expected: str) -> None:
    failing = ["--network", f"tests.networks:{network}", "--workers", "1", "--save_minutes", "0"]
    message = error_of(train_fcn.main, *tiny_training, *failing)
    assert re.search(expected, message), message
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("network", ["wrong", "wrong_in_validation"])
def test_processes_end_with_a_training_that_fails(tiny_training: list[str], network: str) -> None:
    """They ignored the signal to end, and the training waited for them forever on its GPU."""
    with pytest.raises(ZeroDivisionError) as caught:
        train_fcn.main([*tiny_training, "--network", f"tests.networks:{network}", "--workers", "1"])
    assert caught.tb is not None, "the traceback keeps the objects in its frames"
    assert multiprocessing.active_children() == []


def test_a_logger_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path, error_of: Ending) -> None:
    message = error_of(train_fcn.main, "--root", tmp_path / "nothing", "--logger", "comet")
    assert message.count("error:") == 1
    assert "no logger comet; choose from tensorboard, wandb" in message
