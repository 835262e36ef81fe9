"""Fixing of the instance task: each fixed folder passes the check and the official reader."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cityscapes.submission import FixReport, check, data_folder, fix, main
from engine.errors import InputError
from tests.cityscapes.drawn_instance_submission import LABELS, SIZE, STEMS, mask, png
from tests.cityscapes.submission.instance.test_checking import read_officially

FIRST = f"{STEMS[0]}.txt"
MASK = f"masks/{STEMS[0]}_0.png"
TRAIN_IDS = {26: 13, 24: 11}


def replace(folder: Path, old: str, new: str, texts: str = FIRST) -> None:
    for path in folder.glob(texts):
        path.write_text(path.read_text().replace(old, new))


def fixed(folder: Path, root: Path, **options: object) -> FixReport:
    """Fix a folder, and assert that the result passes the check and has the labels of the good predictions."""
    new = folder.with_name("fixed")
    report = fix(folder, new, root, **options)  # type: ignore[arg-type]
    assert check(new, root).faults == ()
    return report


def labels(folder: Path) -> list[set[int]]:
    return [set(read.values()) for read in read_officially(folder.with_name("fixed"))]


def test_train_ids_become_label_ids(folder: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label, train in TRAIN_IDS.items():
        replace(folder, f" {label} ", f" {train} ", "*.txt")
    new = folder.with_name("new")
    assert main(["fix", str(folder), str(new), "--root", str(root), "--workers", "1"]) == 0
    assert "train ids to label ids: 4 files" in capsys.readouterr().out.splitlines()
    assert fixed(folder, root, workers=2).changes["train ids to label ids"] == 4
    assert labels(folder) == 4 * [set(LABELS)]


@pytest.mark.parametrize(
    "line",
    [
        f"{MASK}\t26\t0.9",
        f"{MASK}  26   0.9 ",
        f"\n\n{MASK} 26 0.9\n",
        f"masks\\{STEMS[0]}_0.png 26 0.9",
        f"/home/someone/results/{MASK} 26 0.9",
        f"../{MASK} 26 0.9",
        f"\ufeff{MASK} 26 0.9",
    ],
)
def test_lines_whose_meaning_is_certain_are_rewritten(line: str, folder: Path, root: Path) -> None:
    replace(folder, f"{MASK} 26 0.9", line)
    assert not check(folder, root).ok
    fixed(folder, root)
    assert labels(folder) == 4 * [set(LABELS)]


def test_blanks_in_names(folder: Path, root: Path) -> None:
    (folder / MASK).rename(folder / "masks/a car.png")
    replace(folder, MASK, "masks/a car.png")
    assert fixed(folder, root).changes == {"lines rewritten": 1, "renamed or moved": 4}
    assert labels(folder) == 4 * [set(LABELS)]


def test_names_of_text_files(folder: Path, root: Path) -> None:
    (folder / FIRST).rename(folder / f"pred_{STEMS[0]}.TXT")
    assert fixed(folder, root).predictions == 4
    assert labels(folder) == 4 * [set(LABELS)]


def test_empty_masks_are_left_out(folder: Path, root: Path) -> None:
    (folder / MASK).write_bytes(png(0 * mask()))
    assert fixed(folder, root).changes["empty mask left out"] == 1
    assert labels(folder)[0] == {24}


def test_masks_are_copied_unchanged(folder: Path, root: Path) -> None:
    Image.fromarray(mask()).save(folder / "mask.bmp")
    replace(folder, MASK, "mask.bmp")
    fixed(folder, root)
    copy = folder.with_name("fixed") / f"berlin/{STEMS[0]}_0000.bmp"
    assert copy.read_bytes() == (folder / "mask.bmp").read_bytes()
    assert np.array_equal(np.asarray(Image.open(copy)), mask())


def test_a_zip_with_backslashes_is_fixed(folder: Path, root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for path in (path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix().replace("/", "\\")
            archive.writestr(f"results\\{name}", path.read_bytes())
    fix(tmp_path / "made.zip", tmp_path / "fixed", root, task="instance")
    assert check(tmp_path / "fixed", root).ok


def test_predictions_of_val_are_scored_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data_folder, "IMAGE_SIZE", SIZE)
    for path in folder.rglob("*.txt"):
        path.rename(path.with_name(path.name.replace("berlin", "lindau").replace("bonn", "munster")))
    new = folder.with_name("fixed")
    assert main(["fix", str(folder), str(new), "--workers", "1"]) == 0
    line = f"next: python -m cityscapes.scoring --predictions {new} --split val --task instance --root data"
    assert capsys.readouterr().out.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (f"{MASK} 26 0.9", f"{MASK} 26", "fields: got 1 line without a path, a label id and a finite confidence"),
        (f"{MASK} 26 0.9", f"{MASK} 26 nan", "fields: got 1 line"),
        (f"{MASK} 26 0.9", f"{MASK} 47 0.9", "fields: got 1 line"),
        (f"{MASK} 26 0.9", f"{MASK} 7 0.9", "label: got 1 line with a label that is not scored"),
        (f"{MASK} 26 0.9", f"{MASK} 13 0.9", "mixed ids: got 1 line with a train id among label ids"),
        (f"{MASK} 26 0.9", "masks/none.png 26 0.9", "missing mask: got 1 line whose mask does not exist"),
        (f"{MASK} 26 0.9", f"{MASK} 26 0.9\n{MASK} 26 0.8", "used twice: got 1 mask in more than one line"),
    ],
)
def test_uncertain_lines_are_refused(old: str, new: str, expected: str, folder: Path, root: Path) -> None:
    replace(folder, old, new)
    with pytest.raises(InputError) as error:
        fix(folder, folder.with_name("fixed"), root)
    assert str(error.value).startswith(f"{folder}: cannot be fixed: {expected}")
    assert str(error.value).endswith(f"listed by: python -m cityscapes.submission check {folder}")
    assert not folder.with_name("fixed").exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (png(mask())[:60], "damaged"),
        (png(mask()[::2, ::2]), "size"),
        (png(np.stack([0 * mask(), 0 * mask(), mask() // 255], -1)), "black mask"),
    ],
)
def test_masks_that_the_server_cannot_use_are_refused_and_nothing_is_left(
    content: bytes, kind: str, folder: Path, root: Path, tmp_path: Path
) -> None:
    (folder / MASK).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=f"cannot be fixed: {kind}: got 1 mask"):
        fix(folder, folder.with_name("fixed"), root)
    assert sorted(tmp_path.rglob("*")) == before


def test_two_text_files_of_an_image_are_refused(folder: Path, root: Path) -> None:
    (folder / f"{STEMS[0]}_b.txt").touch()
    with pytest.raises(InputError, match="duplicates: got 1 image with more than one text file"):
        fix(folder, folder.with_name("fixed"), root)
