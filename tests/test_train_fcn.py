"""train_fcn.py from end to end, on a small synthetic data set."""

import json
import multiprocessing
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import catalogue
import train_fcn
from engine.files.images import read_ids, read_image, write_png
from engine.files.lock import exclusive
from engine.ranges import Range
from engine.training.config import RANGES
from fcn.fcn import FCN8s
from fcn.unet import UNet
from tests.conftest import Ending


@pytest.fixture
def settings(demo_root: Path, tmp_path: Path) -> list[str]:
    """A training that takes a second."""
    return [
        *("--network", "bench.tiny:build", "--curves", "none"),
        *("--root", str(demo_root), "--saved", str(tmp_path / "saved"), "--backbone_weights", "none"),
        *("--epochs", "2", "--batch_size", "2", "--crop_size", "64", "--workers", "0", "--accelerator", "cpu"),
    ]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["weights"]  # type: ignore[no-any-return]


def assert_equal_weights(left: Path, right: Path) -> None:
    ours, theirs = weights(left), weights(right)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_leaves_everything_behind(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "environment.json", "history.jsonl", "history.csv", "last.pth", "best.pth"),
        *("curves.png", "tensorboard", ".lock"),
    }
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    names = ("loss", "miou", "mean_dice", "mean_pixel_accuracy", "pixel_accuracy", "iou")
    assert {f"{split}_{name}" for split in ("train", "val") for name in names} <= set(rows[0])
    environment = json.loads((run / "environment.json").read_text())
    assert environment[0]["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert read_image(run / "curves.png").shape[2] == 3
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("val_miou")] == [1, 2, 3]
    best = max(rows, key=lambda row: row["val_miou"])
    assert torch.load(run / "best.pth", weights_only=True)["about"]["miou"] == best["val_miou"]


def test_training_learns(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_the_same_seed_gives_the_same_weights(settings: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert train_fcn.main([*settings, "--name", name]) == 0
    assert train_fcn.main([*settings, "--name", "c", "--seed", "1"]) == 0
    a, b, c = (tmp_path / "saved" / name / "last.pth" for name in "abc")
    assert_equal_weights(a, b)
    assert not torch.equal(weights(a)["up.weight"], weights(c)["up.weight"])


def test_the_number_of_loading_processes_changes_nothing(settings: list[str], tmp_path: Path) -> None:
    for workers in (0, 2):
        assert train_fcn.main([*settings, "--epochs", "1", "--name", str(workers), "--workers", str(workers)]) == 0
    assert_equal_weights(tmp_path / "saved" / "0" / "last.pth", tmp_path / "saved" / "2" / "last.pth")


def test_more_epochs_go_on_with_the_run(settings: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert train_fcn.main([*settings, "--epochs", "0"]) == 0
    printed = capsys.readouterr().out
    assert "no epoch trained" in printed
    assert re.search(r"\nnext: python test_fcn.py --model_weights_path \S+/last.pth --root \S+\n$", printed)
    assert train_fcn.main([*settings, "--epochs", "1"]) == 0
    assert "0 of 1 epochs are done, resuming" in capsys.readouterr().out
    assert train_fcn.main([*settings, "--epochs", "1"]) == 0
    assert "1 of 1 epochs are done" in capsys.readouterr().out


def test_a_run_of_an_earlier_version_resumes_after_an_update(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It lacks an option and has one that there is no more; its state has no version, and its name another hash."""
    assert train_fcn.main([*settings, "--epochs", "1"]) == 0
    (begun,) = (tmp_path / "saved").iterdir()
    folder = begun.with_name(f"{begun.name.rpartition('-')[0]}-01234567")
    begun.rename(folder)
    config = (folder / "config.yaml").read_text()
    assert "clip_norm: 0.0\n" in config
    (folder / "config.yaml").write_text(config.replace("clip_norm: 0.0\n", "clap_norm: 2.0\n"))
    state = torch.load(folder / "last.pth", weights_only=True)
    del state["format_version"]
    torch.save({**state, "phase": 3}, folder / "last.pth")
    capsys.readouterr()
    assert train_fcn.main([*settings, "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    assert "1 of 1 epochs are done" in printed.out
    assert "config.yaml: ignored clap_norm 2.0, which" in printed.err
    assert "last.pth: ignored phase, which" in printed.err
    assert (folder / "config.yaml").read_text() == config
    assert list((tmp_path / "saved").iterdir()) == [folder]


def test_more_epochs_go_on_along_the_schedule_of_the_new_number(settings: list[str], tmp_path: Path) -> None:
    for epochs in ("1", "3"):
        assert train_fcn.main([*settings, "--epochs", epochs, "--name", "longer"]) == 0
    assert train_fcn.main([*settings, "--epochs", "3", "--name", "long"]) == 0
    rates = [
        [
            json.loads(line)["learning_rate"]
            for line in (tmp_path / "saved" / name / "history.jsonl").read_text().splitlines()
        ]
        for name in ("longer", "long")
    ]
    assert rates[0][1:] == rates[1][1:]
    assert rates[0][0] < rates[1][0], "the first epoch was the last one when it was trained"


def test_the_ancestors_recipe_trains(settings: list[str], tmp_path: Path) -> None:
    arguments = ["--recipe", "ancestor", *settings, "--precision", "32-true", "--epochs", "1", "--name", "a"]
    assert train_fcn.main(arguments) == 0
    config = (tmp_path / "saved" / "a" / "config.yaml").read_text()
    assert "loss: focal_over_void" in config
    assert "schedule: step" in config


def test_the_backbone_starts_from_a_file(
    settings: list[str], tmp_path: Path, error_of: Ending, pretrained: dict[str, torch.Tensor]
) -> None:
    torch.save(pretrained, tmp_path / "vgg.pth")
    start = [*settings, "--network", "fcn8s", "--epochs", "0"]
    assert train_fcn.main([*start, "--name", "a", "--backbone_weights", str(tmp_path / "vgg.pth")]) == 0
    loaded = weights(tmp_path / "saved" / "a" / "last.pth")
    assert torch.equal(loaded["vgg.os_32.3.weight"], pretrained["features.25.weight"])
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    message = error_of(train_fcn.main, *start, "--backbone_weights", tmp_path / "other.pth")
    assert "not the weights of torchvision's vgg11_bn" in message
    assert "missing: os_8.0.weight" in message


def test_a_frozen_backbone_is_that_of_the_file(
    settings: list[str], tmp_path: Path, error_of: Ending, pretrained: dict[str, torch.Tensor]
) -> None:
    """Before and after an interruption."""
    # Variances are never negative, and counts are whole.
    pretrained = {name: value.abs() / 50 if value.is_floating_point() else value for name, value in pretrained.items()}
    torch.save(pretrained, tmp_path / "vgg.pth")
    frozen = [*settings, "--freeze_backbone", "--ema", "0.5", "--name", "a", "--network", "fcn8s", "--crop_size", "32"]
    for epochs in ("1", "2"):
        arguments = ["--epochs", epochs, "--backbone_weights", str(tmp_path / "vgg.pth")]
        assert train_fcn.main([*frozen, *arguments]) == 0
    expected = FCN8s(19)
    expected.vgg.load_torchvision(pretrained)
    trained = weights(tmp_path / "saved" / "a" / "last.pth")
    for name, tensor in expected.vgg.state_dict().items():
        assert torch.equal(trained[f"vgg.{name}"], tensor), name
    assert not torch.equal(trained["score_pool_8.bias"], torch.zeros(19))
    message = error_of(train_fcn.main, *settings, "--freeze_backbone", "--name", "b")
    assert "this network has no backbone" in message
    assert not (tmp_path / "saved" / "b").exists()


def test_a_network_without_vgg_starts_from_random_weights(
    settings: list[str], error_of: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue.NETWORKS, "unet", partial(UNet, channels=4))
    unet = [*settings, "--network", "unet", "--epochs", "0", "--name", "a"]
    message = error_of(train_fcn.main, *unet, "--backbone_weights", "imagenet")
    assert "no VGG backbone; give --backbone_weights none" in message
    assert train_fcn.main([*unet, "--backbone_weights", "auto"]) == 0


def test_the_architecture_and_the_optimizer_are_printed(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "--network fcn8s --optimizer caffe_sgd --momentum 0.99 --epochs 0 --verbose 3"
    assert train_fcn.main([*settings, *arguments.split()]) == 0
    printed = capsys.readouterr().out
    assert "(score_pool_32): Conv2d(512, 19" in printed
    assert re.search(r"parameters: weight_decay 0.01, rate_factor 1.0,.* momentum 0.99", printed)
    assert re.search(r"parameters: weight_decay 0.0, rate_factor 2.0", printed)
    assert re.search(r"vgg.os_8.0.weight +1,728  64 x 3 x 3 x 3", printed)


def test_the_papers_training(settings: list[str], tmp_path: Path) -> None:
    arguments = "--optimizer caffe_sgd --momentum 0.99 --learning_rate 1e-8 --loss cross_entropy_sum --batch_size 1"
    extras = "--augmentation none --save_every 2 --epochs 3 --name a --schedule constant"
    assert train_fcn.main([*settings, *arguments.split(), *extras.split()]) == 0
    folder = tmp_path / "saved" / "a"
    assert not (folder / "curves.png").exists()
    assert [path.name for path in folder.glob("epoch_*")] == ["epoch_002.pth"]
    assert torch.load(folder / "epoch_002.pth", weights_only=True)["about"]["epoch"] == 2
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert rows[0]["train_loss"] > 100, "a sum over the pixels of a crop"


def test_a_run_starts_from_a_run_of_another_network(
    run: Path, settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    start = [*settings, "--network", "fcn16s", "--epochs", "0", "--initial_weights"]
    assert train_fcn.main([*start, str(run / "best.pth"), "--name", "a"]) == 0
    printed = capsys.readouterr().out
    assert "not taken: score_pool_8.weight, score_pool_8.bias, upscore_16.weight, upscore_8.weight\n" in printed
    assert "as they were here: upscore_16.weight\n" in printed
    before, after = weights(run / "best.pth"), weights(tmp_path / "saved" / "a" / "last.pth")
    assert torch.equal(after["score_pool_16.weight"], before["score_pool_16.weight"])
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    assert "none of its weights fits this network" in error_of(train_fcn.main, *start, tmp_path / "other.pth")


def test_a_run_keeps_the_normalisation_of_the_weights_it_started_from(settings: list[str], tmp_path: Path) -> None:
    foreign = {"conv1_1.weight": torch.ones(64, 3, 3, 3), "score_fr.weight": torch.zeros(19, 4, 1, 1)}
    torch.save(foreign, tmp_path / "fcn32s_from_caffe.pth")
    start = [*settings, "--network", "fcn32s_vgg16", "--initial_weights", str(tmp_path / "fcn32s_from_caffe.pth")]
    assert train_fcn.main([*start, "--epochs", "0", "--name", "a"]) == 0
    about = torch.load(tmp_path / "saved" / "a" / "last.pth", weights_only=True)["about"]
    assert about["std"] == (1 / 255,) * 3


def test_without_a_network_imagenet_weights_say_what_to_do(
    settings: list[str], error_of: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    message = error_of(train_fcn.main, *settings, "--network", "fcn8s", "--backbone_weights", "imagenet")
    assert "Network is unreachable" in message
    assert "--backbone_weights FILE" in message
    assert "--backbone_weights none" in message


# Bad input to training


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


def test_masks_and_images_of_different_sizes(changed_root: Path, settings: list[str], error_of: Ending) -> None:
    masks = sorted((changed_root / "generated_gt").glob("*/*/*_trainId.png"))
    for path in masks[:2]:
        write_png(path, np.zeros((64, 128), np.uint8))
    message = error_of(train_fcn.main, *settings, "--root", changed_root)
    assert message.count("error:") == 2
    assert f"{masks[0]}: the mask is 128 x 64, its image 256 x 128" in message


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_truncated_image(changed_root: Path, settings: list[str], error_of: Ending, workers: str, split: str) -> None:
    path = next((changed_root / "leftImg8bit" / split).rglob("*.png"))
    path.write_bytes(path.read_bytes()[:5000])
    message = error_of(train_fcn.main, *settings, "--root", changed_root, "--workers", workers)
    assert message.count("error:") == 1
    assert f"{path}: damaged image" in message


def test_a_truncated_image_of_validation_ends_the_command(changed_root: Path, settings: list[str]) -> None:
    """Its message came, but the command waited for its processes for ever."""
    path = next((changed_root / "leftImg8bit" / "val").rglob("*.png"))
    path.write_bytes(path.read_bytes()[:5000])
    line = [sys.executable, train_fcn.__file__, *settings, "--root", str(changed_root), "--workers", "1"]
    ended = subprocess.run(line, check=False, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr.count("error:")) == (2, 1)


@pytest.mark.parametrize(
    "more", [["--workers", "1"], ["--cache", "CACHE"], ["--data_on", "device"], ["--class_uniform", "1"]]
)
@pytest.mark.parametrize("split", ["train", "val"])
def test_an_id_that_is_no_class(
    changed_root: Path, settings: list[str], tmp_path: Path, error_of: Ending, more: list[str], split: str
) -> None:
    path = next((changed_root / "generated_gt" / split).rglob("*_trainId.png"))
    ids = read_ids(path).copy()
    ids[-1, -1] = 19
    write_png(path, ids)
    more = [str(tmp_path / "cache") if word == "CACHE" else word for word in more]
    message = error_of(train_fcn.main, *settings, "--root", changed_root, "--epochs", "1", *more)
    assert message.startswith(f"error: {path}: id 19 on 1 pixels, expected 0 to 18 or 255; ")
    assert message.count("error:") == 1


def test_nothing_but_void_to_validate_on(changed_root: Path, settings: list[str], error_of: Ending) -> None:
    for path in (changed_root / "generated_gt" / "val").rglob("*_trainId.png"):
        write_png(path, np.full_like(read_ids(path), 255))
    message = error_of(train_fcn.main, *settings, "--root", changed_root)
    assert "all pixels of this mask and of all others to validate on (3 in all) are void" in message


def test_a_folder_that_cannot_be_written_to(settings: list[str], tmp_path: Path, error_of: Ending) -> None:
    (tmp_path / "saved").write_text("a file where the folder should be")
    assert "cannot write here" in error_of(train_fcn.main, *settings)


def test_senseless_numbers_are_all_listed(error_of: Ending) -> None:
    message = error_of(train_fcn.main, "--batch_size", "0", "--epochs", "-1", "--learning_rate", "0")
    assert message.count("error:") == 3


def test_unknown_names(settings: list[str], error_of: Ending) -> None:
    assert "choose from fcn32s" in error_of(train_fcn.main, *settings, "--network", "fcn9s")
    assert "choose from cityscapes" in error_of(train_fcn.main, *settings, "--benchmark", "townscapes")
    assert "--momentum 1.0: expected at least 0 and less than 1" in error_of(
        train_fcn.main, *settings, "--momentum", "1"
    )


def test_another_configuration_under_the_same_name(settings: list[str], error_of: Ending) -> None:
    named = [*settings, "--name", "a", "--epochs", "0"]
    assert train_fcn.main(named) == 0
    assert "seed 0 -> 1" in error_of(train_fcn.main, *named, "--seed", "1")


def test_a_loss_that_is_no_number(settings: list[str], error_of: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RANGES, "learning_rate", Range(0, 1e31))
    message = error_of(train_fcn.main, *settings, "--learning_rate", "1e30", "--optimizer", "sgd", "--epochs", "3")
    assert "the loss is nan in epoch" in message
    assert "aachen/aachen_0000" in message or "bremen/bremen_0000" in message
    assert "Lower --learning_rate" in message


def test_a_second_command_in_the_same_run_is_sent_away(
    settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_of: Ending
) -> None:
    command = [*settings, "--name", "a", "--epochs", "0"]
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
def test_a_name_that_is_no_folder_of_a_run(settings: list[str], name: str, error_of: Ending) -> None:
    assert "expected the name of a folder below" in error_of(train_fcn.main, *settings, "--name", name)


def test_batches_that_make_no_sense_are_told_before_the_work(
    settings: list[str], capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    assert train_fcn.main([*settings, "--epochs", "0", "--batch_size", "50", "--crop_size", "2048"]) == 0
    told = capsys.readouterr().out
    assert "warning: each step takes 50 crops of" in told
    assert "warning: --crop_size 2048 is more than twice the longest side of all images" in told
    message = error_of(train_fcn.main, *settings, "--batch_size", "60000", "--crop_size", "16000")
    assert "the crops of one step take 245760 GB, but there are" in message


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            "killing",
            r"DataLoader worker \(pid \d+\) is killed by signal: Killed; .*give fewer --workers; the last state",
        ),
        ("huge", r"error: CUDA out of memory\. Tried to allocate 2\.00 GiB; give a smaller --batch_size or"),
    ],
    ids=["killed worker", "full GPU"],
)
def test_too_little_memory(settings: list[str], error_of: Ending, network: str, expected: str) -> None:
    failing = ["--network", f"tests.networks:{network}", "--workers", "1", "--save_minutes", "0"]
    message = error_of(train_fcn.main, *settings, *failing)
    assert re.search(expected, message), message
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("network", ["wrong", "wrong_in_validation"])
def test_processes_end_with_a_training_that_fails(settings: list[str], network: str) -> None:
    """They ignored the signal to end, and the training waited for them for ever, on its GPU."""
    with pytest.raises(ZeroDivisionError) as caught:
        train_fcn.main([*settings, "--network", f"tests.networks:{network}", "--workers", "1"])
    assert caught.tb is not None, "which keeps all that is in its frames"
    assert multiprocessing.active_children() == []
