"""test_fcn.py from end to end, on a small synthetic data set."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import cityscapes
import test_fcn
from catalogue.weights import load_network
from cityscapes import submission
from engine.files.atomic import sha256
from engine.files.images import read_ids, read_image, write_png
from fcn import FCN8s
from tests.conftest import Ending


def predict(run: Path, root: Path, output: Path, *more: str) -> int:
    return test_fcn.main(
        [
            *("--model_weights_path", str(run), "--root", str(root), "--output", str(output), "--accelerator", "cpu"),
            *("--workers", "1", *more),
        ]
    )


def test_the_test_split_becomes_a_zip_that_the_server_accepts(
    run: Path, demo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(run / "best.pth", demo_root, tmp_path) == 0
    folder = tmp_path / "r" / "test"
    images = sorted((demo_root / "leftImg8bit" / "test").rglob("*.png"))
    names = [f"{path.parent.name}/{path.name.replace('leftImg8bit', 'labelId_preds')}" for path in images]
    assert sorted(str(path.relative_to(folder / "predictions")) for path in folder.rglob("*.png")) == names
    mask = read_ids(folder / "predictions" / names[0])
    assert mask.shape == (128, 256)
    assert set(mask.flatten().tolist()) <= {7, 8, 11, 12, 13, 17, 19, 20, *range(21, 29), 31, 32, 33}
    with zipfile.ZipFile(folder / "submission.zip") as archive:
        assert archive.namelist() == names
    assert submission.check(folder / "submission.zip", demo_root).ok
    manifest = json.loads((folder / "submission.zip.manifest.json").read_text())
    assert manifest["made_with"]["weights_sha256"] == sha256(run / "best.pth")
    printed = capsys.readouterr().out
    assert "forward" in printed
    assert (
        f"submission.zip: not for the server: 2 predictions, one for each image of {demo_root}/leftImg8bit" in printed
    )
    assert "got 2 images of 256 x 128, expected 2048 x 1024\nnext: nothing for a demo or an experiment" in printed
    assert "upload" not in printed

    profile = json.loads((folder / "profile.json").read_text())
    assert set(profile["milliseconds"]) == {"decode", "transfer", "forward", "fetch", "encode", "total"}
    assert all(0 < stage["median"] <= stage["p95"] for stage in profile["milliseconds"].values())
    assert profile["precision"] == "32-true"
    assert profile["image_size"] == ["256x128"]
    assert profile["memory_mib"]["process"] > 0


def test_weights_as_safetensors_predict_the_same(run: Path, demo_root: Path, tmp_path: Path) -> None:
    for kind in ("pth", "safetensors"):
        options = ["--split", "val", "--profile_images", "0"]
        assert predict(run / f"best.{kind}", demo_root, tmp_path / kind, *options) == 0
    paths = sorted((tmp_path / "pth").rglob("*_preds.png"))
    assert len(paths) == 3
    for path in paths:
        other = tmp_path / "safetensors" / path.relative_to(tmp_path / "pth")
        assert np.array_equal(read_ids(path), read_ids(other))


def test_the_val_split_is_scored(run: Path, demo_root: Path, tmp_path: Path) -> None:
    """The score equals that of training, except for pixels where two classes tie: sums are rounded in another order."""
    options = ("--split", "val", "--precision", "fp32", "--profile_images", "0")
    assert predict(run / "best.pth", demo_root, tmp_path, *options) == 0
    scores = json.loads((tmp_path / "r" / "val" / "scores.json").read_text())
    best = torch.load(run / "best.pth", weights_only=True)["about"]["miou"]
    assert scores["averageScoreClasses"] == pytest.approx(best, abs=1e-4), "training measures as the server does"
    record = json.loads((tmp_path / "r" / "val" / "predictions.json").read_text())
    assert record["source"] == {"root": str(demo_root.resolve()), "split": "val"}
    both = [tmp_path / "r" / "val" / "scores.json"] * 2
    verdict = cityscapes.compare(*both).verdict()
    assert verdict.endswith("of the resamples of 3 images: may be chance")


def test_figures_of_the_worst_scenes_and_a_gif(
    weights: Path, demo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], error_of: Ending
) -> None:
    given = ("--split", "val", "--profile_images", "0")
    assert predict(weights, demo_root, tmp_path, *given) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("--split val --profile_images 0 --figures 5")
    folder = tmp_path / "w" / "val"
    assert predict(weights, demo_root, tmp_path, *given, "--figures", "0") == 0
    assert not (folder / "figures").exists()
    assert predict(weights, demo_root, tmp_path, *given, "--figures", "2", "--gif", "9") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("; 3 of them were kept from an earlier run")
    assert printed[-3:] == [
        f"{folder / 'figures'}: 2 scenes, the worst first",
        f"{folder / 'predictions.gif'}: the first 3 images with their predictions",
        f"next: python test_fcn.py --model_weights_path {weights} --root {demo_root}",
    ]
    assert len(list((folder / "figures").iterdir())) == 2
    for wrong, message in {"x": "no image has this name", "9" * 5000: "expected at most 999999, or names"}.items():
        words = ("--model_weights_path", weights, "--root", demo_root, *given, "--figures", wrong)
        assert f"--figures {wrong}: {message}" in error_of(test_fcn.main, *words)


def test_any_folder_of_images(
    weights: Path, demo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    image = read_image(next((demo_root / "leftImg8bit" / "test").rglob("*.png")))
    write_png(photos / "a.png", image[:77, :91])
    write_png(photos / "sub" / "b.PNG", image)
    (photos / "notes.txt").write_text("no image")
    assert predict(weights, demo_root, tmp_path, "--images", str(photos)) == 0
    found = tmp_path / "w" / "images"
    assert not (found / "profile.json").exists(), "images are profiled only with --profile_images"
    assert read_image(found / "overlays" / "legend.png").shape[1] == 640
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"--images {photos} --gif 20")
    assert read_ids(found / "predictions" / "a_labelId_preds.png").shape == (77, 91)
    assert read_image(found / "overlays" / "sub" / "b_overlay.png").shape == image.shape


def test_predictions_of_other_images_are_removed(weights: Path, demo_root: Path, tmp_path: Path) -> None:
    old = tmp_path / "w" / "test" / "predictions" / "berlin" / "berlin_999999_000019_labelId_preds.png"
    write_png(old, np.zeros((2, 2), np.uint8))
    assert predict(weights, demo_root, tmp_path, "--profile_images", "0") == 0
    assert not old.exists()


def test_a_rerun_predicts_only_what_is_missing(weights: Path, demo_root: Path, tmp_path: Path) -> None:
    assert predict(weights, demo_root, tmp_path, "--profile_images", "0") == 0
    first, second = sorted((tmp_path / "w" / "test" / "predictions").rglob("*.png"))
    before, kept = first.read_bytes(), second.stat().st_mtime_ns
    first.unlink()
    assert predict(weights, demo_root, tmp_path, "--profile_images", "0") == 0
    assert first.read_bytes() == before
    assert second.stat().st_mtime_ns == kept


def test_a_damaged_image_is_named_and_the_others_predicted(
    weights: Path, changed_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    damaged, whole = sorted((changed_root / "leftImg8bit" / "test").rglob("*.png"))
    damaged.write_bytes(damaged.read_bytes()[:3000])
    arguments = ("--root", changed_root, "--output", tmp_path, "--accelerator", "cpu")
    message = error_of(test_fcn.main, "--model_weights_path", weights, *arguments)
    assert f"{damaged}: damaged image" in message
    assert "the other images are predicted" in message
    (prediction,) = (tmp_path / "w" / "test" / "predictions").rglob("*.png")
    assert prediction.name.startswith(whole.name.removesuffix("_leftImg8bit.png"))
    assert not (tmp_path / "w" / "test" / "submission.zip").exists()


def test_images_of_another_size_than_their_masks_are_not_predicted(
    weights: Path, changed_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    for path in (changed_root / "leftImg8bit" / "val").rglob("*.png"):
        Image.open(path).resize((128, 64)).save(path)
    arguments = ("--split", "val", "--root", changed_root, "--output", tmp_path / "out")
    message = error_of(test_fcn.main, "--model_weights_path", weights, *arguments)
    assert message.count("the mask is 256 x 128, its image 128 x 64") == 3
    assert not list((tmp_path / "out").rglob("*.png"))


def test_weights_of_the_original_repository_load_without_a_flag(demo_root: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FCN8s(20)
    with torch.no_grad():
        network.state_dict()["score_pool_8.bias"][19] = 100  # void everywhere
        network.upscore_8.weight.clamp_(min=0)
    state = network.state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"model_state_dict": state}, tmp_path / "fcn_e_50.pth")
    (plain, its, _), (nested, about, _) = (load_network(tmp_path / name) for name in ("plain.pth", "fcn_e_50.pth"))
    assert its == about
    assert all(map(torch.equal, plain.state_dict().values(), nested.state_dict().values()))
    assert predict(tmp_path / "fcn_e_50.pth", demo_root, tmp_path, "--split", "val", "--profile_images", "0") == 0
    mask = read_ids(next((tmp_path / "fcn_e_50" / "val" / "predictions").rglob("*.png")))
    assert set(mask.flatten().tolist()) == {0}, "the 20th output is void, which is label id 0"


def test_weights_that_do_not_fit_are_refused(
    run: Path, demo_root: Path, tmp_path: Path, error_of: Ending, pretrained: dict[str, torch.Tensor]
) -> None:
    def error(path: Path) -> str:
        arguments = ("--root", demo_root, "--output", tmp_path, "--accelerator", "cpu")
        return error_of(test_fcn.main, "--model_weights_path", path, *arguments)

    assert "no such file" in error(tmp_path / "nothing.pth")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    assert "not a PyTorch checkpoint" in error(tmp_path / "text.pth")
    torch.save(pretrained, tmp_path / "vgg.pth")
    assert "weights of an unknown network" in error(tmp_path / "vgg.pth")
    assert "train_fcn.py --backbone_weights FILE" in error(tmp_path / "vgg.pth")
    torch.save(FCN8s(11).state_dict(), tmp_path / "camvid.pth")
    assert "a network with 11 outputs, expected 19" in error(tmp_path / "camvid.pth")
    content = torch.load(run / "best.pth", weights_only=True)
    content["weights"].pop("score_pool_8.bias")
    torch.save(content, tmp_path / "holes.pth")
    assert "missing: score_pool_8.bias (19,)" in error(tmp_path / "holes.pth")
    content = torch.load(run / "best.pth", weights_only=True)
    torch.save({**content, "about": {"colour": "red"}, "format_version": 7}, tmp_path / "newer.pth")
    assert "newer.pth: lacks network, num_classes" in error(tmp_path / "newer.pth")
    torch.save({**content, "about": {**content["about"], "network": "fcn64s"}}, tmp_path / "unknown.pth")
    assert "unknown.pth: its network fcn64s: unknown name" in error(tmp_path / "unknown.pth")
    content["weights"]["score_pool_8.bias"][3] = torch.nan
    torch.save(content, tmp_path / "nan.pth")
    assert "nan.pth: NaN or infinite in float32 in 1 of its" in error(tmp_path / "nan.pth")
    assert "first in score_pool_8.bias" in error(tmp_path / "nan.pth")


def test_weights_whose_scores_are_nan_predict_nothing(
    weights: Path, demo_root: Path, tmp_path: Path, error_of: Ending
) -> None:
    content = torch.load(weights, weights_only=True)
    content["weights"]["norm.weight"] *= 3e38
    torch.save(content, tmp_path / "x.pth")
    given = (
        "--model_weights_path",
        tmp_path / "x.pth",
        "--root",
        demo_root,
        "--output",
        tmp_path,
        "--accelerator",
        "cpu",
    )
    message = error_of(test_fcn.main, *given)
    first = min((demo_root / "leftImg8bit" / "test").rglob("*.png"))
    assert f"error: {first}: {tmp_path / 'x.pth'}: computes scores that are NaN or infinite" in message
    assert message.count("error:") == 1
    assert not list(tmp_path.rglob("*_preds.png"))


def test_all_numbers_out_of_range_are_listed(weights: Path, error_of: Ending) -> None:
    flags = ("--workers", "-4", "--profile_images", "-3", "--memory_budget", "-1")
    message = error_of(test_fcn.main, "--model_weights_path", weights, *flags)
    assert message.count("error:") == 3
    assert "--workers -4: expected at least 0" in message


def test_compiling_excludes_a_memory_budget(weights: Path, error_of: Ending) -> None:
    flags = ("--memory_budget", "100", "--compile")
    message = error_of(test_fcn.main, "--model_weights_path", weights, *flags)
    assert message.count("error:") == 1
    assert "--memory_budget with --compile" in message
    assert "leave out one of them" in message


@pytest.mark.parametrize(("budget", "search"), [("0", True), ("500", False)])
def test_cudnn_does_not_search_where_memory_is_bounded(
    weights: Path, demo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: str, search: bool
) -> None:
    class BuiltError(Exception):
        pass

    def build(*_: object, **how: bool) -> None:
        raise BuiltError(how["search"])

    monkeypatch.setattr(test_fcn, "NetworkSegmenter", build)
    with pytest.raises(BuiltError, match=str(search)):
        predict(weights, demo_root, tmp_path, "--memory_budget", budget)


def test_a_cpu_says_that_it_has_no_fp16(
    weights: Path, demo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(weights, demo_root, tmp_path, "--precision", "fp16", "--profile_images", "1") == 0
    printed = capsys.readouterr()
    assert printed.err.count("warning: --precision 16-mixed: no fp16 on CPUs here, so this runs in bf16-mixed") == 1
    assert "bf16-mixed" in printed.out
    assert "gpu" not in printed.out, "figures that only a GPU has are left out"


def test_missing_splits_and_folders(weights: Path, demo_root: Path, tmp_path: Path, error_of: Ending) -> None:
    given = ("--model_weights_path", weights, "--output", tmp_path / "out")
    assert "--split dev: expected one of train, val, test of cityscapes" in error_of(
        test_fcn.main, *given, "--root", demo_root, "--split", "dev"
    )
    assert "no such folder" in error_of(test_fcn.main, *given, "--images", tmp_path / "nothing")
    (tmp_path / "photo.jpg").touch()
    assert "give the folder that it is in" in error_of(test_fcn.main, *given, "--images", tmp_path / "photo.jpg")
    (tmp_path / "empty").mkdir()
    assert "no image in it" in error_of(test_fcn.main, *given, "--images", tmp_path / "empty")
    assert "neither leftImg8bit/ nor gtFine/" in error_of(test_fcn.main, *given, "--root", tmp_path / "empty")
    (tmp_path / "file").write_text("")
    assert "cannot write here" in error_of(
        test_fcn.main, "--model_weights_path", weights, "--root", demo_root, "--output", tmp_path / "file"
    )
