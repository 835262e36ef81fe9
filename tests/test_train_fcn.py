"""train_fcn.py from end to end, on a small synthetic data set."""

import json
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import catalogue
import train_fcn
from cityscapes.labels import CLASSES
from engine import checkpoints
from engine.files.images import read_image
from fcn.fcn import FCN8s
from fcn.unet import UNet
from tests.conftest import Ending


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["weights"]  # type: ignore[no-any-return]


def assert_equal_weights(left: Path, right: Path) -> None:
    ours, theirs = weights(left), weights(right)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_leaves_everything_behind(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "environment.json", "history.jsonl", "history.csv", "last.pth", "best.pth"),
        *("best.safetensors", "README.md"),
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
    card = (run / "README.md").read_text()
    assert f"{100 * best['val_miou']:.2f}" in card
    assert environment[0]["commit"] in card
    assert "Cityscapes is freely available for non-commercial purposes" in card


def test_the_best_weights_are_there_as_safetensors_too(run: Path) -> None:
    ours, theirs = (checkpoints.load(run / f"best.{kind}") for kind in ("pth", "safetensors"))
    assert ours.about == theirs.about
    assert ours.weights.keys() == theirs.weights.keys()
    assert all(torch.equal(ours.weights[name], theirs.weights[name]) for name in ours.weights)
    assert theirs.more == {"classes": list(CLASSES.names)}


def test_a_resumed_run_writes_safetensors_that_are_missing(tiny_training: list[str], tmp_path: Path) -> None:
    assert train_fcn.main([*tiny_training, "--epochs", "1", "--name", "a"]) == 0
    path = tmp_path / "saved" / "a" / "best.safetensors"
    content = path.read_bytes()
    path.unlink()
    assert train_fcn.main([*tiny_training, "--epochs", "1", "--name", "a"]) == 0
    assert path.read_bytes() == content


def test_training_learns(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_the_same_seed_gives_the_same_weights(tiny_training: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert train_fcn.main([*tiny_training, "--name", name]) == 0
    assert train_fcn.main([*tiny_training, "--name", "c", "--seed", "1"]) == 0
    a, b, c = (tmp_path / "saved" / name / "last.pth" for name in "abc")
    assert_equal_weights(a, b)
    assert not torch.equal(weights(a)["up.weight"], weights(c)["up.weight"])


def test_the_number_of_loading_processes_changes_nothing(tiny_training: list[str], tmp_path: Path) -> None:
    for workers in (0, 2):
        assert train_fcn.main([*tiny_training, "--epochs", "1", "--name", str(workers), "--workers", str(workers)]) == 0
    assert_equal_weights(tmp_path / "saved" / "0" / "last.pth", tmp_path / "saved" / "2" / "last.pth")


def test_more_epochs_continue_the_run(tiny_training: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert train_fcn.main([*tiny_training, "--epochs", "0"]) == 0
    printed = capsys.readouterr().out
    assert "no epoch trained" in printed
    assert re.search(r"\nnext: python test_fcn.py --model_weights_path \S+/last.pth --root \S+\n$", printed)
    assert train_fcn.main([*tiny_training, "--epochs", "1"]) == 0
    assert "0 of 1 epochs are done, resuming" in capsys.readouterr().out
    assert train_fcn.main([*tiny_training, "--epochs", "1"]) == 0
    assert "1 of 1 epochs are done" in capsys.readouterr().out


def test_a_run_of_an_earlier_version_resumes_after_an_update(
    tiny_training: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its config lacks an option and contains a removed one; its state has no version, and its name another hash."""
    assert train_fcn.main([*tiny_training, "--epochs", "1"]) == 0
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
    assert train_fcn.main([*tiny_training, "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    assert "1 of 1 epochs are done" in printed.out
    assert "config.yaml: ignored clap_norm 2.0, which" in printed.err
    assert "last.pth: ignored phase, which" in printed.err
    assert (folder / "config.yaml").read_text() == config
    assert list((tmp_path / "saved").iterdir()) == [folder]


def test_more_epochs_continue_with_the_schedule_of_the_new_number(tiny_training: list[str], tmp_path: Path) -> None:
    for epochs in ("1", "3"):
        assert train_fcn.main([*tiny_training, "--epochs", epochs, "--name", "longer"]) == 0
    assert train_fcn.main([*tiny_training, "--epochs", "3", "--name", "long"]) == 0
    rates = [
        [
            json.loads(line)["learning_rate"]
            for line in (tmp_path / "saved" / name / "history.jsonl").read_text().splitlines()
        ]
        for name in ("longer", "long")
    ]
    assert rates[0][1:] == rates[1][1:]
    assert rates[0][0] < rates[1][0], "the first epoch was the last of the schedule when it was trained"


def test_the_original_recipe_trains(tiny_training: list[str], tmp_path: Path) -> None:
    arguments = ["--recipe", "original", *tiny_training, "--precision", "32-true", "--epochs", "1", "--name", "a"]
    assert train_fcn.main(arguments) == 0
    config = (tmp_path / "saved" / "a" / "config.yaml").read_text()
    assert "loss: focal_over_void" in config
    assert "schedule: step" in config


def test_the_backbone_starts_from_a_file(
    tiny_training: list[str], tmp_path: Path, error_of: Ending, pretrained: dict[str, torch.Tensor]
) -> None:
    torch.save(pretrained, tmp_path / "vgg.pth")
    start = [*tiny_training, "--network", "fcn8s", "--epochs", "0"]
    assert train_fcn.main([*start, "--name", "a", "--backbone_weights", str(tmp_path / "vgg.pth")]) == 0
    loaded = weights(tmp_path / "saved" / "a" / "last.pth")
    assert torch.equal(loaded["vgg.os_32.3.weight"], pretrained["features.25.weight"])
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    message = error_of(train_fcn.main, *start, "--backbone_weights", tmp_path / "other.pth")
    assert "not the weights of torchvision's vgg11_bn" in message
    assert "missing: os_8.0.weight" in message


def test_a_frozen_backbone_is_that_of_the_file(
    tiny_training: list[str], tmp_path: Path, error_of: Ending, pretrained: dict[str, torch.Tensor]
) -> None:
    """Before and after an interruption."""
    # Variances are never negative, and counts are whole.
    pretrained = {name: value.abs() / 50 if value.is_floating_point() else value for name, value in pretrained.items()}
    torch.save(pretrained, tmp_path / "vgg.pth")
    frozen = [
        *tiny_training,
        "--freeze_backbone",
        "--ema",
        "0.5",
        "--name",
        "a",
        "--network",
        "fcn8s",
        "--crop_size",
        "32",
    ]
    for epochs in ("1", "2"):
        arguments = ["--epochs", epochs, "--backbone_weights", str(tmp_path / "vgg.pth")]
        assert train_fcn.main([*frozen, *arguments]) == 0
    expected = FCN8s(19)
    expected.vgg.load_torchvision(pretrained)
    trained = weights(tmp_path / "saved" / "a" / "last.pth")
    for name, tensor in expected.vgg.state_dict().items():
        assert torch.equal(trained[f"vgg.{name}"], tensor), name
    assert not torch.equal(trained["score_pool_8.bias"], torch.zeros(19))
    message = error_of(train_fcn.main, *tiny_training, "--freeze_backbone", "--name", "b")
    assert "this network has no backbone" in message
    assert not (tmp_path / "saved" / "b").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--loss hinge", "--loss hinge: no loss hinge; choose from cross_entropy"),
        ("--loss dice --label_smoothing 0.1", "does not support label smoothing; leave out --label_smoothing"),
        ("--loss dice --class_weights inverse_log", "does not support class weights; leave out --class_weights"),
    ],
)
def test_a_wrong_loss_is_refused_before_there_is_a_run(
    arguments: str, expected: str, tiny_training: list[str], tmp_path: Path, error_of: Ending
) -> None:
    assert expected in error_of(train_fcn.main, *tiny_training, *arguments.split())
    assert not (tmp_path / "saved").exists()


def test_a_network_without_vgg_starts_from_random_weights(
    tiny_training: list[str], error_of: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue.NETWORKS, "unet", partial(UNet, channels=4))
    unet = [*tiny_training, "--network", "unet", "--epochs", "0", "--name", "a"]
    message = error_of(train_fcn.main, *unet, "--backbone_weights", "imagenet")
    assert "no VGG backbone; give --backbone_weights none" in message
    assert train_fcn.main([*unet, "--backbone_weights", "auto"]) == 0


def test_the_architecture_and_the_optimizer_are_printed(
    tiny_training: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "--network fcn8s --optimizer caffe_sgd --momentum 0.99 --epochs 0 --verbose 3"
    assert train_fcn.main([*tiny_training, *arguments.split()]) == 0
    printed = capsys.readouterr().out
    assert "(score_pool_32): Conv2d(512, 19" in printed
    assert re.search(r"parameters: weight_decay 0.01, rate_factor 1.0,.* momentum 0.99", printed)
    assert re.search(r"parameters: weight_decay 0.0, rate_factor 2.0", printed)
    assert re.search(r"vgg.os_8.0.weight +1,728  64 x 3 x 3 x 3", printed)


def test_the_papers_training(tiny_training: list[str], tmp_path: Path) -> None:
    arguments = "--optimizer caffe_sgd --momentum 0.99 --learning_rate 1e-8 --loss cross_entropy_sum --batch_size 1"
    extras = "--augmentation none --save_every 2 --epochs 3 --name a --schedule constant"
    assert train_fcn.main([*tiny_training, *arguments.split(), *extras.split()]) == 0
    folder = tmp_path / "saved" / "a"
    assert not (folder / "curves.png").exists()
    assert [path.name for path in folder.glob("epoch_*")] == ["epoch_002.pth"]
    assert torch.load(folder / "epoch_002.pth", weights_only=True)["about"]["epoch"] == 2
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert rows[0]["train_loss"] > 100, "a sum over the pixels of a crop"


def test_a_run_starts_from_a_run_of_another_network(
    run: Path, tiny_training: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    start = [*tiny_training, "--network", "fcn16s", "--epochs", "0", "--initial_weights"]
    assert train_fcn.main([*start, str(run / "best.pth"), "--name", "a"]) == 0
    printed = capsys.readouterr().out
    assert "skipped: score_pool_8.weight, score_pool_8.bias, upscore_16.weight, upscore_8.weight\n" in printed
    assert "unchanged in the network: upscore_16.weight\n" in printed
    before, after = weights(run / "best.pth"), weights(tmp_path / "saved" / "a" / "last.pth")
    assert torch.equal(after["score_pool_16.weight"], before["score_pool_16.weight"])
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    assert "none of its tensors fits this network" in error_of(train_fcn.main, *start, tmp_path / "other.pth")


def test_a_run_keeps_the_normalisation_of_the_weights_it_started_from(tiny_training: list[str], tmp_path: Path) -> None:
    foreign = {"conv1_1.weight": torch.ones(64, 3, 3, 3), "score_fr.weight": torch.zeros(19, 4, 1, 1)}
    torch.save(foreign, tmp_path / "fcn32s_from_caffe.pth")
    start = [*tiny_training, "--network", "fcn32s_vgg16", "--initial_weights", str(tmp_path / "fcn32s_from_caffe.pth")]
    assert train_fcn.main([*start, "--epochs", "0", "--name", "a"]) == 0
    about = torch.load(tmp_path / "saved" / "a" / "last.pth", weights_only=True)["about"]
    assert about["std"] == (1 / 255,) * 3


def test_without_a_network_imagenet_weights_say_what_to_do(
    tiny_training: list[str], error_of: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    message = error_of(train_fcn.main, *tiny_training, "--network", "fcn8s", "--backbone_weights", "imagenet")
    assert "Network is unreachable" in message
    assert "--backbone_weights FILE" in message
    assert "--backbone_weights none" in message


# Bad input to training
