"""Checks of the content of predictions, and of their completeness."""

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cityscapes.submission import check, completeness, main
from engine.files.images import image_size, write_png
from tests.cityscapes.drawn_submission import (
    LABEL_IDS,
    SIZE,
    STEMS,
    TRAIN_IDS,
    CheckErrors,
    Ids,
    png,
    prediction,
    save,
    zipped,
)


def test_whole_submission_passes(
    root: Path, folder: Path, official: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    pack_it = f"python -m cityscapes.submission pack {folder} submission.zip --root {root}"
    for path, next_step in ((folder, pack_it), (archive, f"upload {archive} at cityscapes-dataset.com")):
        assert main(["check", str(path), "--root", str(root), "--workers", "1"]) == 0
        printed = capsys.readouterr()
        task = "task: pixel"
        verdict = "ok: 6 predictions, one for each test image, all of label ids"
        assert printed.out == f"{verdict}\n{task}\nnext: {next_step}\n"
        assert printed.err == ""


@pytest.mark.parametrize(
    ("spoil", "deviation"),
    [
        (lambda test: shutil.rmtree(test / "bonn"), "got 3 images, expected 6 (bonn 0 of 3)"),
        (
            lambda test: [save(path, np.zeros((8, 16, 3), np.uint8)) for path in test.rglob("*.png")],
            "got 6 images of 16 x 8, expected 32 x 16",
        ),
        (
            lambda test: save(test / "ulm/ulm_000001_000019_leftImg8bit.png", np.zeros((16, 32, 3), np.uint8)),
            "got 7 images, expected 6 (ulm 1 of 0)",
        ),
        (
            lambda test: save(test / f"bonn/{STEMS[3]}_leftImg8bit.png", np.zeros((8, 32, 3), np.uint8)),
            "got 1 image of 32 x 8, expected 32 x 16",
        ),
    ],
    ids=["half-complete", "shrunk", "mixed splits", "mixed sizes"],
)
def test_predictions_of_other_images_are_not_for_the_server(
    spoil: Callable[[Path], object],
    deviation: str,
    root: Path,
    folder: Path,
    official: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The predictions fit the images under the root, but the server wants others."""
    spoil(root / "leftImg8bit/test")
    shutil.rmtree(folder)
    for image in (root / "leftImg8bit/test").rglob("*.png"):
        width, height = image_size(image)
        save(prediction(folder, image.name.removesuffix("_leftImg8bit.png")), LABEL_IDS[:height, :width])
    archive, arguments = tmp_path / "made.zip", ["--root", str(root), "--workers", "1"]
    for action, code in (
        (["check", str(folder)], 0),
        (["pack", str(folder), str(archive)], 1),
        (["pack", str(folder), str(archive), "--subset"], 0),
        (["check", str(archive)], 0),
    ):
        assert main([*action, *arguments]) == code
        printed = capsys.readouterr()
        first, *_, last = printed.out.splitlines()
        assert first.startswith("not for the server: ")
        assert first.endswith(f"; that is not the official test set: {deviation}")
        assert last.startswith(
            "next: nothing for a demo or an experiment; for the server predict the test images of left"
        )
        assert "upload" not in printed.out + printed.err
        assert printed.err == (
            f"error: {archive}: not of the official test set; --subset accepts that\n" if code else ""
        )
    manifest = json.loads((tmp_path / "made.zip.manifest.json").read_text())
    assert (manifest["official_test_set"], manifest["deviation"]) == (False, deviation)


def test_an_incomplete_root_is_not_a_fault_of_the_predictions(
    root: Path, folder: Path, official: None, errors: CheckErrors
) -> None:
    shutil.rmtree(root / "leftImg8bit/test/bonn")
    (line,) = errors()
    assert line.startswith("not in the test set: got predictions for 3 images outside the test set: bonn 3 (bonn_")
    assert line.endswith(
        "; the images under --root are not the official test set (got 3 images, expected 6 (bonn 0 of 3)): unpack "
        "leftImg8bit_trainvaltest.zip completely, or omit --root to check against the official numbers"
    )


def test_a_shrunk_root_does_not_blame_predictions_of_the_official_size(
    root: Path, official: None, errors: CheckErrors
) -> None:
    for path in (root / "leftImg8bit/test").rglob("*.png"):
        save(path, np.zeros((8, 16, 3), np.uint8))
    (line,) = errors()
    assert "got 6 predictions of a different size than the image" in line
    assert "; these have the official size, the images under --root do not: unpack leftImg8bit" in line


def test_two_processes_find_the_same_faults(root: Path, folder: Path, tmp_path: Path) -> None:
    prediction(folder, STEMS[0]).write_bytes(b"")
    archive = zipped(folder, tmp_path / "made.zip")
    parallel = check(archive, root, workers=2)
    assert parallel == check(archive, root)
    assert [finding.kind for finding in parallel.faults] == ["damaged"]


@pytest.mark.parametrize("void", [255, 19])
def test_train_ids_are_recognised(void: int, folder: Path, errors: CheckErrors) -> None:
    train_ids = TRAIN_IDS.copy()
    train_ids[0] = void
    for stem in STEMS:
        save(prediction(folder, stem), train_ids)
    (line,) = errors()
    assert f"ids 0, 1, 2, 3, ..., 17, 18, {void} in 6 predictions: these are train ids, expected label ids" in line
    assert "and 2 more); convert them: python -m cityscapes.submission fix" in line


def test_train_ids_without_void_are_recognised(folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS:
        save(prediction(folder, stem), TRAIN_IDS)
    (line,) = errors()
    assert line.startswith("train ids: got only ids 0, 1, 2, 3, ..., 16, 17, 18 in 6 predictions")


def test_ids_of_unknown_kind_are_a_fault(folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS:
        save(prediction(folder, stem), np.arange(512, dtype=np.uint8).reshape(16, 32) % 19)
    (line,) = errors()
    assert line.startswith("unknown ids: got only ids 0, 1, 2, 3, ..., 16, 17, 18 in 6 predictions, expected label ids")


def test_train_ids_in_some_predictions(folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS[:2]:
        save(prediction(folder, stem), TRAIN_IDS)
    (line,) = errors()
    assert line.startswith(
        "mixed ids: got train ids in 2 of 6 predictions, expected label ids, 0 to 33, as in the others"
    )


def test_label_ids_of_few_classes_are_not_train_ids(root: Path, folder: Path) -> None:
    for stem in STEMS:
        save(prediction(folder, stem), np.where(LABEL_IDS > 20, 7, LABEL_IDS).astype(np.uint8))
    assert check(folder, root).ok


def test_ids_outside_the_label_table(folder: Path, errors: CheckErrors) -> None:
    for stem, value in zip(STEMS, (255, 255, 34), strict=False):
        save(prediction(folder, stem), np.where(LABEL_IDS == 7, value, LABEL_IDS).astype(np.uint8))
    (line,) = errors()
    assert line == (
        "ids: got ids 34, 255 in 3 predictions, expected label ids, 0 to 33 "
        "(berlin/berlin_000000_000019_labelId_preds.png: id 255, berlin/berlin_000000_000020_labelId_preds.png: id 255,"
        " berlin/berlin_000000_000021_labelId_preds.png: id 34); write 0 (unlabeled) where no class is predicted"
    )


def test_predictions_of_different_weights(
    folder: Path, errors: CheckErrors, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, stem in enumerate(STEMS[1:]):
        write_png(prediction(folder, stem), LABEL_IDS, notes={"Weights": ("a" if number else "b") * 64})
    (line,) = errors()
    assert line == (
        "mixed weights: got predictions made with 2 different weights, 4 of 6 with aaaaaaaaaaaa "
        "(berlin/berlin_000000_000020_labelId_preds.png: bbbbbbbbbbbb); predict all images with the same weights again"
    )
    write_png(prediction(folder, STEMS[1]), LABEL_IDS, notes={"Weights": "a" * 64})
    assert main(["check", str(folder), "--workers", "1"]) == 2
    assert "warning: " in (printed := capsys.readouterr().err)
    assert "unknown weights: got 1 prediction without a record of the weights, unlike the others" in printed


def test_a_prediction_that_is_a_copy_of_another(root: Path, folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS:
        write_png(prediction(folder, stem), LABEL_IDS, notes={"Weights": "a" * 64, "Prediction": stem})
    assert check(folder, root).ok
    write_png(prediction(folder, STEMS[1]), LABEL_IDS, notes={"Weights": "a" * 64, "Prediction": STEMS[0]})
    (line,) = errors()
    assert line.startswith("copies: got 1 file copied from the prediction of another image (")


def test_blank_predictions(folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS:
        save(prediction(folder, stem), np.zeros((16, 32), np.uint8))
    (line,) = errors()
    assert line.startswith("nothing scored: got only id 0 in 6 predictions")


def test_never_scored_ids_are_a_warning(root: Path, folder: Path) -> None:
    save(prediction(folder, STEMS[0]), np.full((16, 32), 4, np.uint8))
    report = check(folder, root)
    assert report.ok
    assert [finding.kind for finding in report.warnings] == ["unscored ids"]


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.zeros((16, 32, 3), np.uint8), "colour: got 1 file in colour, expected one channel of label ids ({}: RGB)"),
        (np.zeros((16, 32, 4), np.uint8), "colour: got 1 file in colour, expected one channel of label ids ({}: RGBA)"),
        (
            np.zeros((16, 32), np.uint16),
            "16-bit: got 1 file with 16 bits per pixel, expected 8 ({}: 16 bits per pixel)",
        ),
        (np.zeros((16, 32), bool), "bit depth: got 1 file with fewer than 8 bits per pixel"),
        (
            LABEL_IDS[:8, :16],
            "size: got 1 prediction of a different size than the image ({}: got 16 x 8, expected 32 x 16",
        ),
    ],
)
def test_wrong_kind_of_image(pixels: Ids, expected: str, folder: Path, errors: CheckErrors) -> None:
    path = save(prediction(folder, STEMS[0]), pixels)
    (line,) = errors()
    assert line.startswith(expected.format(path.relative_to(folder)))
    assert "; " in line


def test_palette_is_only_a_warning(root: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = Image.fromarray(LABEL_IDS, "L")
    image.putpalette(bytes(768))
    image.save(prediction(folder, STEMS[0]))
    assert main(["check", str(folder), "--root", str(root), "--workers", "1"]) == 0
    assert "palette: got 1 palette image, whose indices are read as ids" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda content: content[: len(content) // 2], "cut off"),
        (lambda content: content[:20], "cut off within the header"),
        (lambda content: b"", "the file is empty"),
        (lambda content: content[:16] + struct.pack(">II", 50_000, 50_000) + content[24:], "declares 50000 x 50000"),
    ],
)
def test_damaged(spoil: Callable[[bytes], bytes], expected: str, folder: Path, errors: CheckErrors) -> None:
    path = prediction(folder, STEMS[0])
    path.write_bytes(spoil(png(LABEL_IDS)))
    line = errors()[-1]
    assert line.startswith(f"damaged: got 1 file that cannot be decoded ({path.relative_to(folder)}: {expected}")


@pytest.mark.parametrize(("format_", "kind"), [("JPEG", "is JPEG"), (None, "is not an image")])
def test_no_png_under_a_png_name(format_: str | None, kind: str, folder: Path, errors: CheckErrors) -> None:
    path = prediction(folder, STEMS[0])
    path.write_bytes(b"hello")
    if format_:
        Image.fromarray(LABEL_IDS).save(path, format=format_)
    (line,) = errors()
    assert line.startswith("not a PNG: got 1 file with a .png name and other content")
    assert f"{path.name}: {kind})" in line


def test_missing_images_by_name(folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS[2:5]:
        prediction(folder, stem).unlink()
    (line,) = errors()
    assert line == (
        "missing: got no prediction for 3 of 6 test images: berlin 1, bonn 2 "
        "(berlin_000000_000021, bonn_000000_000019, bonn_000000_000020); predict the whole test split"
    )


def test_official_numbers_without_root(
    folder: Path, errors: CheckErrors, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(completeness, "IMAGE_SIZE", SIZE)
    monkeypatch.setattr(completeness, "_TEST", {"berlin": 3, "bonn": 3})
    assert main(["check", str(folder), "--workers", "1"]) == 0
    assert capsys.readouterr().out.startswith("ok: 6 predictions")
    monkeypatch.setattr(completeness, "_TEST", {"berlin": 1, "bonn": 5, "mainz": 4})
    assert errors(with_root=False) == [
        "missing: got no prediction for 6 of 10 test images: bonn 3 of 5, mainz 0 of 4; "
        "predict the whole test split; give --root to list the images",
        "not in the test set: got predictions for 2 images more than the test set has: berlin 3, expected 1; "
        "predict the test split, and pack nothing else; give --root to list them",
    ]


def test_official_test_set(folder: Path, errors: CheckErrors) -> None:
    missing, size = errors(with_root=False)
    assert "got no prediction for 1519 of 1525 test images: berlin 3 of 544, bielefeld 0 of 181" in missing
    assert "got 32 x 16, expected 2048 x 1024" in size


def test_predictions_of_another_split(folder: Path, errors: CheckErrors) -> None:
    save(folder / "frankfurt_000000_000294.png", LABEL_IDS)
    (line,) = errors()
    assert line == (
        "not in the test set: got predictions for 1 image outside the test set: frankfurt 1 (frankfurt_000000_000294)"
        "; these cities belong to val: predict the test split, and pack nothing else"
    )


def test_two_predictions_of_one_image(folder: Path, errors: CheckErrors) -> None:
    save(folder / "again" / f"{STEMS[0]}.png", LABEL_IDS)
    (line,) = errors()
    assert line == (
        "duplicates: got more than one prediction for 1 image, expected one prediction (again/berlin_000000_000019.png "
        "and berlin/berlin_000000_000019_labelId_preds.png); keep the one with label ids"
    )


def test_colour_and_id_images_together(folder: Path, errors: CheckErrors) -> None:
    for stem in STEMS:
        save(folder / f"{stem}_color.png", np.zeros((16, 32, 3), np.uint8))
    (line,) = errors()
    assert line.startswith("colour and ids: got colour and id images together for 6 images")
    assert line.endswith("remove the colour images: python -m cityscapes.submission fix PATH NEW")


def test_names(folder: Path, errors: CheckErrors) -> None:
    path = prediction(folder, STEMS[0])
    path.rename(folder / "0001.png")
    prediction(folder, STEMS[1]).rename(folder / f"{STEMS[1]}.PNG")
    name, suffix, missing = errors()
    assert "name: got 1 PNG name without <city>_<6 digits>_<6 digits> at the start (0001.png)" in name
    assert "suffix: got 1 name ending in .PNG, expected .png" in suffix
    assert "got no prediction for 2 of 6 test images" in missing


def test_many_predictions_of_one_image_are_reported_briefly(folder: Path, errors: CheckErrors) -> None:
    for number in range(30):
        save(folder / f"{number:02}" / f"{STEMS[0]}.png", LABEL_IDS)
    (line,) = errors()
    assert "(00/berlin_000000_000019.png and 01/berlin_000000_000019.png and 29 more);" in line


def test_every_fault_at_once(folder: Path, errors: CheckErrors) -> None:
    prediction(folder, STEMS[0]).unlink()
    save(prediction(folder, STEMS[1]), np.full((16, 32), 200, np.uint8))
    save(prediction(folder, STEMS[2]), LABEL_IDS[:8])
    save(prediction(folder, STEMS[3]), np.zeros((16, 32, 3), np.uint8))
    prediction(folder, STEMS[4]).write_bytes(b"no")
    save(folder / "mainz_000000_000000.png", LABEL_IDS)
    kinds = [line.partition(":")[0] for line in errors()]
    assert kinds == ["missing", "not in the test set", "size", "not a PNG", "colour", "ids"]


def test_hidden_and_other_files_are_only_a_warning(
    root: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = zipped(folder, tmp_path / "made.zip")
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("__MACOSX/._berlin_000000_000019.png", b"fork")
        packed.writestr(".DS_Store", b"")
        packed.writestr("readme.txt", b"")
    assert main(["check", str(archive), "--root", str(root), "--workers", "1"]) == 0
    warnings = capsys.readouterr().err
    assert "not a prediction: got 1 file of other types than PNG (readme.txt); harmless" in warnings
    assert "hidden: got 2 hidden files, for example those that macOS creates" in warnings


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda path: None, "no such folder or zip"),
        (lambda path: path.mkdir(), "got no file at all"),
        (lambda path: path.touch(), "the file is empty"),
        (lambda path: path.write_bytes(b"Rar!"), "not a complete zip"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "got no file at all"),
    ],
)
def test_nothing_to_check(
    prepare: Callable[[Path], object], expected: str, tmp_path: Path, errors: CheckErrors
) -> None:
    path = tmp_path / "made.zip"
    prepare(path)
    (line,) = errors(path)
    assert line.startswith(expected)


def test_no_png_at_all(tmp_path: Path, errors: CheckErrors) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/notes.txt").touch()
    assert errors(tmp_path / "logs") == [
        "no predictions: got no PNG among 1 file, expected one for each test image; predict the test split first"
    ]


def test_root_without_test_images(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other/leftImg8bit/train").mkdir(parents=True)
    assert main(["check", str(folder), "--root", str(tmp_path / "other")]) == 2
    assert "other/leftImg8bit/test: no images, expected those of the test set" in capsys.readouterr().err


def test_damaged_images_of_the_test_set(root: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stem in STEMS[:2]:
        (root / f"leftImg8bit/test/berlin/{stem}_leftImg8bit.png").write_bytes(b"")
    assert main(["check", str(folder), "--root", str(root)]) == 2
    assert capsys.readouterr().err.count("not a readable image (") == 2
