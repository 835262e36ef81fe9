import hashlib
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import test_fcn
import train_fcn
from engine.errors import InputError
from engine.files.images import read_ids
from pascal_voc import download, layout, masks, scoring, submission
from pascal_voc.labels import CLASSES, PALETTE
from tests.conftest import Ending

TRAIN = (
    *("--network", "bench.tiny:build", "--curves", "none", "--epochs", "1", "--batch_size", "2"),
    *("--crop_size", "32", "--workers", "0", "--accelerator", "cpu"),
)


def train(root: Path, *more: str) -> list[object]:
    return ["--benchmark", "pascal_voc", "--root", root, "--saved", root / "saved", "--name", "r", *TRAIN, *more]


def letters(root: Path, split: str) -> str:
    return "".join(sample.name[-1] for sample in layout.samples(root, split))


# Labels, masks and splits


def test_the_palette() -> None:
    assert PALETTE[[0, 1, 2, 15, 20, 255]].tolist() == [
        *([0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192])
    ]
    assert len(CLASSES) == 21


def test_splits(pascal_voc_root: Path) -> None:
    expected = {"train": "abc", "val": "de", "trainval": "abcde", "test": "fg", "sbd_train": "ahj", "sbd_val": "dk"}
    assert {split: letters(pascal_voc_root, split) for split in expected} == expected
    assert letters(pascal_voc_root, "trainaug") == "abchjk"
    assert letters(pascal_voc_root, "seg11valid") == "di"
    sources = [sample.mask.suffix for sample in layout.samples(pascal_voc_root, "trainaug") if sample.mask]
    assert sources == [".png"] * 3 + [".mat"] * 3


def test_a_list_of_seg11valid_wins(pascal_voc_root: Path) -> None:
    folder = pascal_voc_root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    (folder / "seg11valid.txt").write_text("2007_00000e\n")
    shutil.rmtree(pascal_voc_root / "VOCdevkit" / "VOC2011")
    assert letters(pascal_voc_root, "seg11valid") == "e"


def test_the_root_may_be_any_of_three(pascal_voc_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("", "VOCdevkit", "VOCdevkit/VOC2012"):
        assert letters(pascal_voc_root / folder, "trainaug") == "abchjk"
        assert letters(pascal_voc_root / folder, "seg11valid") == "di"
    assert letters(pascal_voc_root / "VOCdevkit" / "VOC2011", "val") == "dhi"
    monkeypatch.chdir(pascal_voc_root / "VOCdevkit")
    assert letters(Path(), "trainaug") == "abchjk"


def test_the_tar_of_2011_may_stay_where_it_unpacks(pascal_voc_root: Path) -> None:
    (pascal_voc_root / "TrainVal" / "VOCdevkit").mkdir(parents=True)
    year = pascal_voc_root / "VOCdevkit" / "VOC2011"
    year.rename(pascal_voc_root / "TrainVal" / "VOCdevkit" / "VOC2011")
    assert letters(pascal_voc_root, "seg11valid") == "di"
    assert letters(pascal_voc_root / "TrainVal", "seg11valid") == "di"
    (pascal_voc_root / "VOCdevkit").rename(pascal_voc_root / "other")
    assert letters(pascal_voc_root, "val") == "dhi"


def test_sbd_masks_equal_those_of_voc(pascal_voc_root: Path) -> None:
    mat = pascal_voc_root / "benchmark_RELEASE" / "dataset" / "cls" / "2007_00000a.mat"
    png = pascal_voc_root / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2007_00000a.png"
    assert np.array_equal(masks.read_mask(mat), masks.read_mask(png))
    assert masks.mask_size(mat) == masks.mask_size(png) == (44, 30)


# Bad input


def test_a_palette_png_read_as_rgb(pascal_voc_root: Path, error_of: Ending) -> None:
    folder = pascal_voc_root / "VOCdevkit" / "VOC2012" / "SegmentationClass"
    path = folder / "2007_00000d.png"
    indices = read_ids(path)
    for other in folder.glob("*.png"):
        rgb = Image.open(other).convert("RGB")
        rgb.save(other)
    errors = error_of(train_fcn.main, *train(pascal_voc_root))
    assert "expected a palette PNG of class indices, got an image of mode RGB" in errors
    assert "indices_of_colors" in errors
    assert np.array_equal(masks.indices_of_colors(np.asarray(Image.open(path))), indices)
    # Converted to a palette image again, it has the right colours at other indices.
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    with pytest.raises(InputError, match="its colours at other indices"):
        masks.read_mask(path)


def test_a_grey_version_of_the_colours(pascal_voc_root: Path) -> None:
    path = pascal_voc_root / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2007_00000d.png"
    Image.open(path).convert("L").save(path)
    with pytest.raises(InputError, match="expected 0 to 20 or 255"):
        masks.read_mask(path)


def test_files_that_are_not_of_sbd(pascal_voc_root: Path, error_of: Ending) -> None:
    folder = pascal_voc_root / "benchmark_RELEASE" / "dataset" / "cls"
    for letter in "hj":
        savemat(folder / f"2007_00000{letter}.mat", {"GTinst": {"Segmentation": np.zeros((30, 44), np.uint8)}})
    (folder / "2007_00000k.mat").write_bytes(b"no MATLAB")
    errors = error_of(train_fcn.main, *train(pascal_voc_root, "--train_split", "trainaug"))
    for letter in "hj":
        assert f"2007_00000{letter}.mat: expected an SBD file with GTcls, got GTinst; use the files of" in errors
    assert "2007_00000k.mat: damaged MATLAB file" in errors
    savemat(folder / "2007_00000h.mat", {"GTcls": np.zeros(3)})
    with pytest.raises(InputError, match="GTcls with a field Segmentation"):
        masks.read_mask(folder / "2007_00000h.mat")


def test_lists_that_name_missing_images(pascal_voc_root: Path, error_of: Ending) -> None:
    year = pascal_voc_root / "VOCdevkit" / "VOC2012"
    (year / "ImageSets" / "Segmentation" / "train.txt").write_text("2007_00000a\n2007_00000x\n")
    (year / "SegmentationClass" / "2007_00000a.png").unlink()
    errors = error_of(train_fcn.main, *train(pascal_voc_root))
    assert "JPEGImages/2007_00000x.jpg: no such file" in errors
    assert "SegmentationClass/2007_00000x.png: no such file" in errors
    assert "SegmentationClass/2007_00000a.png: no such file" in errors
    (year / "ImageSets" / "Segmentation" / "train.txt").write_text("/a/b.jpg\n\n../c 1\n")
    errors = error_of(train_fcn.main, *train(pascal_voc_root))
    assert "'/a/b.jpg' is not an image id" in errors
    assert "'../c' is not an image id" in errors


def test_missing_parts_of_a_split_are_reported(pascal_voc_root: Path, error_of: Ending) -> None:
    shutil.rmtree(pascal_voc_root / "VOCdevkit" / "VOC2011")
    errors = error_of(train_fcn.main, *train(pascal_voc_root, "--val_split", "seg11valid"))
    assert "VOCtrainval_25-May-2011.tar" in errors
    shutil.rmtree(pascal_voc_root / "benchmark_RELEASE")
    assert "benchmark.tgz" in error_of(train_fcn.main, *train(pascal_voc_root, "--train_split", "trainaug"))
    errors = error_of(train_fcn.main, *train(pascal_voc_root, "--val_split", "test"))
    assert "--val_split test: pascal_voc has masks for train, val, trainval, trainaug" in errors


def test_hidden_masks(pascal_voc_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pack the predictions"):
        scoring.score(tmp_path, pascal_voc_root, "test")


# From training to scores and submission


def test_train_predict_score_and_pack(
    pascal_voc_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = ("--train_split", "trainaug", "--val_split", "seg11valid")
    assert train_fcn.main([str(argument) for argument in train(pascal_voc_root, *splits)]) == 0
    weights, out = pascal_voc_root / "saved" / "r" / "best.pth", tmp_path / "out"
    arguments = f"--benchmark pascal_voc --root {pascal_voc_root} --output {out} --accelerator cpu".split()
    common = ["--model_weights_path", str(weights), *arguments, "--profile_images", "0", "--workers", "1"]
    assert test_fcn.main([*common, "--split", "val"]) == 0
    arguments = f"--predictions {out}/r/val/predictions --root {pascal_voc_root} --output {out}/s.json".split()
    assert scoring.main([*arguments, "--workers", "1"]) == 0
    assert (out / "s.json").read_text() == (out / "r" / "val" / "scores.json").read_text()
    packing = ["pack", str(out / "r" / "val" / "predictions"), str(tmp_path / "val.tar.gz"), "--split", "val"]
    assert submission.main([*packing, "--root", str(pascal_voc_root), "--subset"]) == 0
    with tarfile.open(tmp_path / "val.tar.gz") as tar:
        assert {str(Path(name).parent) for name in tar.getnames()} == {"results/VOC2012/Segmentation/comp6_val_cls"}
    assert test_fcn.main(common) == 0
    archive = out / "r" / "test" / "submission.tar.gz"
    assert (
        f"{archive}: not for the server: 2 predictions, one for each image of test; that is not"
        in capsys.readouterr().out
    )
    assert submission.main(["check", str(archive), "--root", str(pascal_voc_root)]) == 0


# Download


def test_archives_are_unpacked(pascal_voc_root: Path, tmp_path: Path, error_of: Ending) -> None:
    (pascal_voc_root / "VOCdevkit" / "VOC2012" / "Annotations").mkdir()
    (pascal_voc_root / "VOCdevkit" / "VOC2012" / "Annotations" / "a.xml").write_text("of no use here")
    archives = [tmp_path / "voc.tar", tmp_path / "2011.tar", tmp_path / "benchmark.tgz"]
    inside = ("VOCdevkit/VOC2012", "VOCdevkit/VOC2011", "benchmark_RELEASE")
    for archive, folder, prefix in zip(archives, inside, ("", "TrainVal/", ""), strict=True):
        with tarfile.open(archive, "w:gz" if archive.suffix == ".tgz" else "w") as tar:
            tar.add(pascal_voc_root / folder, prefix + folder)
    root = tmp_path / "got"
    assert download.main(["--root", str(root), "--archives", *map(str, archives)]) == 0
    for split in layout.SPLITS:
        assert letters(root, split) == letters(pascal_voc_root, split)
    assert not list(root.rglob("*.xml"))
    assert download.destination("x/VOCdevkit/../../JPEGImages/a.jpg") is None
    errors = error_of(download.main, "--root", root, "--archives", tmp_path / "absent.tar")
    assert "no such file" in errors
    assert "benchmark.tgz" in errors


def test_downloads_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_of: Ending, pascal_voc_root: Path
) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(pascal_voc_root / "VOCdevkit", "VOCdevkit")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(download.PARTS, "voc2012", download.Part(archive.as_uri(), md5))
    assert download.main(["--root", str(tmp_path / "got")]) == 0
    assert letters(tmp_path / "got", "train") == "abc"
    monkeypatch.setitem(download.PARTS, "voc2012", download.Part(archive.as_uri(), "0" * 32))
    assert f"MD5 {md5}, expected 000" in error_of(download.main, "--root", tmp_path / "other")
    monkeypatch.setitem(download.PARTS, "sbd", download.Part("http://localhost:1/b.tgz", ""))
    errors = error_of(download.main, "--root", tmp_path / "other", "--parts", "sbd")
    assert "cannot download" in errors
    assert list((tmp_path / "other").iterdir()) == []


# Real data


def test_real_masks(real_data: Path) -> None:
    root = real_data / "voc"
    if not root.is_dir():
        pytest.skip(f"needs voc/ in {real_data}")
    for split in ("train", "val"):
        samples = layout.samples(root, split)
        for sample in samples[:10]:
            assert sample.mask is not None
            mask = masks.read_mask(sample.mask)
            rgb = np.asarray(Image.open(sample.mask).convert("RGB"))
            assert np.array_equal(masks.indices_of_colors(rgb), mask)
            assert np.array_equal(PALETTE[mask], rgb)


def test_a_list_with_a_duplicate_image(pascal_voc_root: Path) -> None:
    listing = pascal_voc_root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt"
    listing.write_text(listing.read_text() * 2)
    with pytest.raises(InputError, match="2007_00000d is listed more than once"):
        layout.samples(pascal_voc_root, "val")
