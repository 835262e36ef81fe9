"""Training on gtCoarse, then on gtFine from those weights."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import generate_gt
import train_fcn
from cityscapes.dataset import CityscapesBenchmark
from cityscapes.layout import COARSE_SPLITS
from engine.errors import InputError
from engine.files.images import read_ids


@pytest.fixture
def root(demo_root: Path, tmp_path: Path) -> Path:
    """The demo with coarse annotations of train and val, and with two scenes of train again as train_extra."""
    root = tmp_path / "data"
    shutil.copytree(demo_root / "leftImg8bit", root / "leftImg8bit")
    for split, source in (("train", "train"), ("val", "val"), ("train_extra", "train")):
        cities = "*" if split == "val" else "aachen"
        for path in sorted((demo_root / "gtFine" / source).glob(f"{cities}/*_polygons.json")):
            copy = root / "gtCoarse" / split / path.parent.name / path.name.replace("gtFine", "gtCoarse")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    shutil.copytree(root / "leftImg8bit" / "train" / "aachen", root / "leftImg8bit" / "train_extra" / "aachen")
    shutil.rmtree(root / "leftImg8bit" / "train" / "bremen")
    return root


def test_coarse_splits_are_for_training_only(root: Path) -> None:
    benchmark = CityscapesBenchmark()
    assert benchmark.training_splits == COARSE_SPLITS == ("coarse_train", "coarse_train_extra", "coarse_val")
    assert not set(benchmark.training_splits) & set(benchmark.splits)
    with pytest.raises(InputError, match=re.escape(f"generate_gt.py --root {root} --annotations gtCoarse")):
        benchmark.samples(root, "coarse_train")
    assert generate_gt.main(["--root", str(root), "--annotations", "gtCoarse", "--workers", "1"]) == 0
    for split, number in zip(COARSE_SPLITS, (2, 2, 3), strict=True):
        samples = benchmark.samples(root, split)
        assert len(samples) == number
        for sample in samples:
            assert sample.mask is not None
            assert f"generated_gtCoarse/{split.removeprefix('coarse_')}/" in sample.mask.as_posix()
            assert read_ids(sample.mask).any()
    shutil.rmtree(root / "leftImg8bit" / "train_extra")
    with pytest.raises(InputError, match=r"unpack leftImg8bit_trainextra\.zip"):
        benchmark.samples(root, "coarse_train_extra")


@pytest.mark.parametrize("folder", ["gtFine", "generated_gt"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_annotated_scenes_without_an_image_are_reported(
    changed_root: Path, capsys: pytest.CaptureFixture[str], folder: str, split: str
) -> None:
    whole = CityscapesBenchmark().samples(changed_root, split)
    whole[1].image.unlink()
    if folder == "generated_gt":
        shutil.rmtree(changed_root / "gtFine")
    capsys.readouterr()
    assert CityscapesBenchmark().samples(changed_root, split) == [whole[0], *whole[2:]]
    warning = f"warning: {whole[1].image}: no such file; 1 of {len(whole)} annotated scenes of the {split} split have"
    assert capsys.readouterr().err.startswith(warning)


def test_coarse_weights_are_fine_tuned(
    root: Path, demo_root: Path, tmp_path: Path, error_of: Callable[..., str]
) -> None:
    assert generate_gt.main(["--root", str(root), "--annotations", "gtCoarse", "--workers", "1"]) == 0
    quick = [
        *("--saved", str(tmp_path), "--batch_size", "2", "--crop_size", "64", "--workers", "0"),
        *("--accelerator", "cpu", "--curves", "none", "--network", "bench.tiny:build"),
    ]
    coarse = ["--train_split", "coarse_train_extra", "--val_split", "coarse_val"]
    assert train_fcn.main([*quick, "--root", str(root), *coarse, "--epochs", "1", "--name", "coarse"]) == 0
    start = ["--root", str(demo_root), "--initial_weights", str(tmp_path / "coarse" / "best.pth"), "--name", "fine"]
    assert train_fcn.main([*quick, *start, "--epochs", "0"]) == 0
    before, after = (
        torch.load(tmp_path / path, weights_only=True)["weights"] for path in ("coarse/best.pth", "fine/last.pth")
    )
    assert all(torch.equal(before[name], after[name]) for name in before)
    message = error_of(train_fcn.main, *quick, "--root", root, "--train_split", "rough")
    assert "train, val, coarse_train, coarse_train_extra, coarse_val; choose one of them" in message
